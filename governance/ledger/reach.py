"""Whose attempts a reader may see, as a condition on rows that have `organisation_id`, `team_id` and `user_id`."""

from dataclasses import dataclass

from django.db.models import Q


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Everything of the organisation (`is_whole`), or whole teams, and in other teams what is the reader's own.

    `zone` is the IANA zone of the organisation, in which its days begin.
    """

    organisation_id: int
    zone: str
    is_whole: bool
    team_ids: frozenset[int] = frozenset()
    own_team_ids: frozenset[int] = frozenset()
    user_id: int | None = None

    def condition(self) -> Q:
        """Return the condition for the ORM."""
        organisation = Q(organisation_id=self.organisation_id)
        if self.is_whole:
            return organisation
        own = Q(user_id=self.user_id, user_id__isnull=False, team_id__in=self.own_team_ids)
        return organisation & (Q(team_id__in=self.team_ids) | own)

    def sql_values(self) -> dict[str, bool | int | list[int] | None]:
        """Return the values of `SQL_CONDITION`."""
        return {
            "organisation_id": self.organisation_id,
            "is_whole": self.is_whole,
            "team_ids": list(self.team_ids),
            "own_team_ids": list(self.own_team_ids),
            "user_id": self.user_id,
        }


SQL_CONDITION = """
    organisation_id = %(organisation_id)s
    AND (%(is_whole)s OR team_id = ANY (%(team_ids)s::bigint[])
         OR (user_id = %(user_id)s::bigint AND team_id = ANY (%(own_team_ids)s::bigint[])))
"""
