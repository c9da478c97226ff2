"""Reading what is stored: that it is, and how much; what it says is `operations.read`, which the trail knows of."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Max, Min

from governance.prompts.errors import PromptNotFound
from governance.prompts.models import PromptStorage, StoredPrompt


@dataclass(frozen=True)
class Storage:
    """A team that stores prompts, how many there are, and from when."""

    team_id: int
    team: str
    days: int
    max_bytes: int
    requests: int
    oldest: datetime | None
    newest: datetime | None


def stored_prompt(*, request_id: UUID) -> StoredPrompt | None:
    """Return what is stored of this request, or None."""
    return StoredPrompt.objects.filter(request_id=request_id).select_related("team").first()


def existing_prompt(*, request_id: UUID) -> StoredPrompt:
    """Return what is stored of this request. Raises PromptNotFound."""
    found = stored_prompt(request_id=request_id)
    if found is None:
        raise PromptNotFound(
            f"Nothing is stored of the request {request_id}: its team did not ask for that then, it was erased, it is "
            "older than the team's days, or gateways had no room for it."
        )
    return found


def storages_of(*, organisation_id: int) -> list[Storage]:
    """Return the teams of the organisation that store prompts, by name."""
    rows = PromptStorage.objects.filter(team__organisation_id=organisation_id).order_by("team__name")
    named = rows.values_list("team_id", "team__name", "days", "max_bytes")
    counted = named.annotate(
        Count("team__stored_prompts"), Min("team__stored_prompts__asked_at"), Max("team__stored_prompts__asked_at")
    )
    return [Storage(*row) for row in counted]
