"""What a budget, or a rate limit, may be narrowed to: checked in one place, with the noun of whoever asks."""

from typing import Protocol

from governance.catalog import queries as catalog
from governance.catalog.names import is_alias_pattern
from governance.connections.queries import connections_of
from governance.core.errors import BursarError
from governance.teams.models import Organisation


class Narrowed(Protocol):
    """The calls something is for, and whether each member has it whole."""

    @property
    def key_id(self) -> int | None: ...
    @property
    def user_id(self) -> int | None: ...
    @property
    def model_pattern(self) -> str: ...
    @property
    def model_group_id(self) -> int | None: ...
    @property
    def provider(self) -> str: ...
    @property
    def is_per_member(self) -> bool: ...


def refuse_narrowing(
    new: Narrowed, organisation: Organisation, *, noun: str, effect: str, refusal: type[BursarError]
) -> None:
    """Raise the refusal, or what `catalog.group` raises, for what contradicts itself or is not the organisation's.

    Something that is for what the organisation does not have would have no effect, and nobody would notice. `noun` and
    `effect` are words for the sentences: "budget", "paid from the budget".
    """
    if new.model_pattern and not is_alias_pattern(new.model_pattern):
        raise refusal(f"{new.model_pattern!r} is no pattern: give a model alias, or a glob such as gpt-*.")
    if new.model_pattern and new.model_group_id is not None:
        raise refusal(f"A {noun} is for a pattern of models or for an access group of them: give one of both.")
    if new.is_per_member and (new.key_id is not None or new.user_id is not None):
        raise refusal(f"A {noun} of one person or key has no members: make it pooled, or give it a wider scope.")
    if new.model_group_id is not None:
        group = catalog.group(group_id=new.model_group_id)
        if group.organisation_id != organisation.pk:
            raise refusal(f"The access group {group} belongs to another organisation: name one of this one.")
    if new.provider:
        offered = sorted(set(connections_of(organisation_id=organisation.pk).values_list("provider", flat=True)))
        if new.provider not in offered:
            raise refusal(
                f"{organisation} has no connection to a provider {new.provider!r}, so that nothing would be {effect}: "
                f"connect one, or name one of {', '.join(offered) or 'none'}."
            )
