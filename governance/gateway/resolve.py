"""Which deployments may answer: those of the alias a client named, if its key may call it."""

from collections.abc import Sequence
from datetime import datetime
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from governance.catalog.lifecycle import Dates, Stage
from governance.core.errors import BadRequest, ModelNotAllowed, ModelUnknown, ProviderUnavailable
from governance.gateway.errors import ModelNotReleased, ModelRetired, RegionNotAllowed
from governance.gateway.rendition import COUNTS, others_of
from governance.plugin.provider import Wire
from governance.policy.matching import may
from governance.policy.reach import theirs
from governance.policy.regions import refusing
from governance.policy.snapshot import AliasPolicy, DeploymentPolicy, KeyPolicy, ModelPolicy, PolicySnapshot

_WAYS: Final = MappingProxyType(
    {
        Wire.OPENAI_CHAT: "POST /v1/chat/completions",
        Wire.OPENAI_RESPONSES: "POST /v1/responses",
        Wire.OPENAI_EMBEDDINGS: "POST /v1/embeddings",
        Wire.OPENAI_MODERATIONS: "POST /v1/moderations",
        Wire.ANTHROPIC_MESSAGES: "POST /v1/messages",
        Wire.GEMINI_GENERATE: "POST /v1beta/models/{id}:generateContent",
        Wire.GEMINI_EMBED: "POST /v1beta/models/{id}:embedContent",
    }
)
"""How a model is called in a wire, for people; counts of tokens go with these, and media are asked of other models."""


def resolve(
    *, name: str, wire: Wire, policy: KeyPolicy, snapshot: PolicySnapshot, at: datetime
) -> tuple[AliasPolicy, list[DeploymentPolicy]]:
    """Return the alias and those of its deployments that can be called, in their fixed order; at least one.

    Raises ModelUnknown, ModelNotAllowed, RegionNotAllowed, ModelRetired, ModelNotReleased, BadRequest or
    ProviderUnavailable.
    """
    alias = snapshot.aliases_of(policy.organisation_id).get(name)
    if alias is None:
        raise _unknown(name, callable_aliases(policy=policy, snapshot=snapshot, at=at))
    decision = may(name, policy.levels)
    if not decision.is_allowed:
        raise ModelNotAllowed(
            f"The model {name!r} is not on the allow-list of {decision.level}: "
            "GET /v1/models lists what this key may call; whoever administers it can allow more."
        )
    deployments = alias.deployments if not alias.owners else _theirs(alias, policy)
    if deployments is None:
        raise _unknown(name, callable_aliases(policy=policy, snapshot=snapshot, at=at))
    usable = [deployment for deployment in deployments if wire in deployment.upstreams or _is_other(deployment, wire)]
    if not usable and deployments:
        raise _unserved(name, wire, deployments)
    if not usable:
        raise ProviderUnavailable(
            f"The model {name!r} has no working connection to a provider: whoever administers Bursar must mend it."
        )
    if policy.regions:
        usable = _in_regions(name, usable, policy)
    living = [each for each in usable if _is_served(each.model, at)]
    if not living:
        raise _not_served(name, usable[0].model, at)
    return alias, living


def _theirs(alias: AliasPolicy, policy: KeyPolicy) -> Sequence[DeploymentPolicy] | None:
    return theirs(alias.deployments, policy, owners=alias.owners, leaves_own=alias.leaves_own)


def _ways_to(deployments: Sequence[DeploymentPolicy]) -> list[str]:
    """Return how these can be called: in the wires of their vendors, and in those that are translated into them."""
    served = {wire for deployment in deployments for wire in deployment.upstreams}
    return [path for wire, path in _WAYS.items() if wire in served or not served.isdisjoint(others_of(wire))]


def _is_other(deployment: DeploymentPolicy, wire: Wire) -> bool:
    """Return whether a request of this wire can be translated for the deployment."""
    return any(other in deployment.upstreams for other in others_of(wire))


def callable_aliases(*, policy: KeyPolicy, snapshot: PolicySnapshot, at: datetime) -> list[AliasPolicy]:
    """Return what this key may call, by name: nothing that is only announced, or retired."""
    aliases = snapshot.aliases_of(policy.organisation_id).values()
    allowed = [alias for alias in aliases if may(alias.name, policy.levels).is_allowed]
    return [alias for alias in allowed if _is_in_reach(alias, policy) and _is_alive(alias, at)]


def _is_alive(alias: AliasPolicy, at: datetime) -> bool:
    dates = [deployment.model.dates for deployment in alias.deployments]
    return not dates or any(each is None or each.is_served(on=at.date()) for each in dates)


def _is_in_reach(alias: AliasPolicy, policy: KeyPolicy) -> bool:
    deployments = alias.deployments if not alias.owners else _theirs(alias, policy)
    if deployments is None:
        return False
    if not policy.regions or not deployments:
        return True
    return any(refusing(deployment.region, policy.regions) is None for deployment in deployments)


def _in_regions(name: str, usable: list[DeploymentPolicy], policy: KeyPolicy) -> list[DeploymentPolicy]:
    rules = [refusing(deployment.region, policy.regions) for deployment in usable]
    kept = [deployment for deployment, rule in zip(usable, rules, strict=True) if rule is None]
    if kept:
        return kept
    rule = next(rule for rule in rules if rule is not None)
    raise RegionNotAllowed(
        f"The model {name!r} is served nowhere in {' or '.join(rule.regions)}, where {rule.level} keeps its requests: "
        "GET /v1/models lists what this key may call."
    )


def _unserved(name: str, wire: Wire, deployments: Sequence[DeploymentPolicy]) -> BadRequest:
    if wire in COUNTS:
        return BadRequest(
            f"The tokens of a request to {name!r} cannot be counted: its vendor has no counter here, and Bursar does "
            "not guess. Send the request itself, whose answer says what it used, or name another model."
        )
    return BadRequest(
        f"The model {name!r} is not served in the wire {wire}, which its vendor does not speak here. "
        f"Call it by {' or '.join(_ways_to(deployments))}, or name another model."
    )


def _is_served(model: ModelPolicy, at: datetime) -> bool:
    return model.dates is None or model.dates.is_served(on=at.date())


def _unknown(name: str, known: list[AliasPolicy]) -> ModelUnknown:
    near = get_close_matches(name[:256], [alias.name for alias in known], n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else "GET /v1/models lists what this key may call."
    return ModelUnknown(f"There is no model named {name[:256]!r}. {hint}")


def _not_served(name: str, model: ModelPolicy, at: datetime) -> ModelRetired | ModelNotReleased:
    others = "GET /v1/models lists what this key may call."
    dates = model.dates or Dates()
    if dates.stage(on=at.date()) is Stage.RETIRED:
        remedy = f"Use {model.successor} instead." if model.successor else others
        return ModelRetired(f"The model {name!r} was retired by its vendor on {dates.retires_on}. {remedy}")
    if dates.opens_on is None:
        coming = f"was announced on {dates.announced_on}, and its vendor has named no day of its release"
    else:
        how = " as a preview" if dates.opens_on == dates.preview_on else ""
        coming = f"is only announced: its vendor releases it{how} on {dates.opens_on}"
    return ModelNotReleased(f"The model {name!r} {coming}. {others}")
