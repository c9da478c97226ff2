"""What a request can cost at most, and what is written into its body so that it stays so."""

from datetime import datetime
from uuid import UUID

import msgspec

from governance.budgets.hot import BudgetPolicy
from governance.catalog.rating import RateCard, WorstCase
from governance.core.errors import BadRequest, RequestUnpriced
from governance.core.money import MAX_NANO
from governance.gateway.formats import FORMATS
from governance.gateway.limits import LEAST_OUTPUT_TOKENS
from governance.metering.attempt import Attribution, Claim, Hold
from governance.plugin.errors import RequestUnbounded
from governance.plugin.provider import Bound, GoverningFields, Wire
from governance.policy.snapshot import DeploymentPolicy, KeyPolicy


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """A priced request: `maximum` is the number of output tokens per choice that the worst case assumes.

    `is_given` says that the client named the maximum itself, so that it is not lowered; `is_written` that the key's
    default stands in for it and must be written into the body; `is_lowered` that a rate limit made it less than was
    asked for. `worst_nano` is the worst case with this maximum.
    """

    wire: Wire
    deployment: DeploymentPolicy
    fields: GoverningFields
    bound: Bound
    card: RateCard
    worst: WorstCase
    worst_nano: int
    maximum: int
    is_given: bool
    is_written: bool
    is_lowered: bool = False

    def tokens(self, maximum: int) -> int:
        """Return how many tokens the attempt can use at most, with this maximum of output tokens per choice."""
        return self.bound.input_tokens + maximum * self.bound.choices + self.bound.output_tokens

    @property
    def least_maximum(self) -> int:
        """The maximum below which it is not lowered."""
        return self.maximum if self.is_given else min(self.maximum, LEAST_OUTPUT_TOKENS)


def quote(
    *, wire: Wire, deployment: DeploymentPolicy, fields: GoverningFields, default_maximum: int | None, at: datetime
) -> Quote:
    """Price the worst case of this request. Raises RequestUnpriced, NoPrice or BadRequest: no bound, no call."""
    card = deployment.model.rates.card_at(at)
    if fields.media is not None:
        fields = with_media_bounds(fields, deployment)
    try:
        bound = deployment.provider.bound(wire=wire, connection=deployment.connection, fields=fields)
    except RequestUnbounded as error:
        raise RequestUnpriced(str(error)) from error
    return quote_of(bound, wire=wire, deployment=deployment, fields=fields, default_maximum=default_maximum, card=card)


def with_media_bounds(fields: GoverningFields, deployment: DeploymentPolicy) -> GoverningFields:
    """Return the fields with what the catalogue says media count as at this model."""
    if fields.media is None:
        return fields
    media = msgspec.structs.replace(fields.media, bounds=deployment.model.bounds)
    return msgspec.structs.replace(fields, media=media)


def quote_of(
    bound: Bound,
    *,
    wire: Wire,
    deployment: DeploymentPolicy,
    fields: GoverningFields,
    default_maximum: int | None,
    card: RateCard,
) -> Quote:
    """Price a request that its provider has bounded. Raises RequestUnpriced or BadRequest."""
    maximum = fields.max_output_tokens
    if maximum is None:
        maximum = default_maximum or deployment.model.max_output_tokens
    if maximum is None:
        raise RequestUnpriced(
            f"Nothing bounds the answer of {fields.model!r}: send max_completion_tokens, "
            "or have a default maximum set on the key or the model."
        )
    worst = card.worst_case(bound)
    worst_nano = worst.nano(maximum)
    if worst_nano > MAX_NANO:
        raise BadRequest("The request could cost more than any budget can hold: lower its maximum of output tokens.")
    return Quote(
        wire=wire,
        deployment=deployment,
        fields=fields,
        bound=bound,
        card=card,
        worst=worst,
        worst_nano=worst_nano,
        maximum=maximum,
        is_given=fields.max_output_tokens is not None,
        is_written=fields.max_output_tokens is None and default_maximum is not None,
    )


def claim(*, quote: Quote, policy: KeyPolicy, tags: dict[str, str], attempt_id: UUID, request_id: UUID) -> Claim:
    """Return the wish to reserve this quote's worst case: nothing where the vendor is paid by the caller's owner."""
    deployment = quote.deployment
    alias = quote.fields.model
    is_charged = deployment.is_charged
    want = quote.worst_nano if is_charged else 0
    return Claim(
        attempt_id=attempt_id,
        request_id=request_id,
        attribution=Attribution(
            organisation_id=policy.organisation_id,
            unit_id=policy.unit_id,
            cost_centre_id=policy.cost_centre_id,
            team_id=policy.team_id,
            key_id=policy.key_id,
            user_id=policy.user_id,
            model_id=deployment.model.id,
            deployment_id=deployment.id,
            connection_id=deployment.connection.id,
            alias=alias,
            wire=quote.wire,
            is_stream=quote.fields.stream,
            tags=tags,
        ),
        budgets=_paying(policy, alias=alias, provider=deployment.provider.name, tags=tags) if is_charged else (),
        want_nano=want,
        least_nano=want if quote.is_given or not is_charged else quote.worst.nano(quote.least_maximum),
    )


def _paying(policy: KeyPolicy, *, alias: str, provider: str, tags: dict[str, str]) -> tuple[BudgetPolicy, ...]:
    return tuple(
        [
            budget
            for budget in policy.budgets
            if budget.narrowing is None or budget.narrowing.covers(alias=alias, provider=provider, tags=tags)
        ]
    )


def granted_maximum(quote: Quote, hold: Hold) -> int:
    """Return the maximum that the money held pays for: the quote's own, or a lower one."""
    if not quote.deployment.is_charged or hold.granted_nano >= quote.worst_nano:
        return quote.maximum
    return min(quote.maximum, quote.worst.affordable_output_tokens(hold.granted_nano))


def body_edits(quote: Quote, maximum: int) -> dict[str, object]:
    """Return the body's fields to set: the vendor's model name, a maximum that is not the client's, what it asks."""
    deployment, fields = quote.deployment, quote.fields
    provider, connection = deployment.provider, deployment.connection
    # A copy: what a plugin returns may be its own constant.
    edits = dict(provider.body_edits(wire=quote.wire, connection=connection, fields=fields))
    if deployment.upstream_name != fields.model:
        # What the plugin wrote or took out stays so: the name may stand in the address alone.
        form = FORMATS[quote.wire]
        if form.names_model:
            edits.setdefault("model", deployment.upstream_name)
        elif form.rename is not None:
            edits = {**form.rename(fields, deployment.upstream_name), **edits}
    if quote.is_written or maximum < quote.maximum:
        edits.update(provider.maximum_edits(wire=quote.wire, connection=connection, fields=fields, maximum=maximum))
    return edits
