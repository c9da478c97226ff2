"""What the request path knows of policy: plain, immutable values, compiled once and read by every request."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from governance.budgets.hot import BudgetPolicy
from governance.catalog.lifecycle import Dates
from governance.catalog.rating import RateTable
from governance.plugin.provider import ConnectionSettings, Provider, Upstream, Wire
from governance.plugin.routing import FIXED_ORDER
from governance.policy.caching import Caching
from governance.policy.guards import GuardPolicy
from governance.policy.matching import Rules
from governance.policy.rate_limit import RateLimitPolicy
from governance.policy.reach import SHARED_RANK, Owner
from governance.policy.regions import RegionRule
from governance.prompts.hot import Storing


class ModelPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """One model with all its dated prices. `max_output_tokens` is None where the catalogue does not say. `bounds` are
    the most that media can count as with it (`governance.plugin.media`). `dates` is None where no call need know them.
    """

    id: int
    provider: str
    name: str
    max_output_tokens: int | None
    successor: str
    rates: RateTable
    dates: Dates | None = None
    bounds: Mapping[str, int] = {}


class DeploymentPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """One model through one connection, ready to be called: where each wire's requests go is already worked out.
    `secrets` are the texts that must not be shown, whoever repeats them.

    `owner` is None where everybody's keys may use the connection. Unless `is_charged`, its owner pays the vendor.
    """

    id: int
    model: ModelPolicy
    upstream_name: str
    provider: Provider
    connection: ConnectionSettings
    upstreams: Mapping[Wire, Upstream]
    region: str = ""
    secrets: tuple[str, ...] = ()
    owner: Owner | None = None
    is_charged: bool = True

    @property
    def rank(self) -> int:
        """Where it stands for those who may use it: own accounts first."""
        return SHARED_RANK if self.owner is None else self.owner.rank


class AliasPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The name clients use, and the deployments behind it in their fixed order. None usable: an empty tuple.

    `routing` is the name of the strategy that orders them anew for each request; `weights` are by deployment. `owners`
    are those who have an own account behind it, whether that works or not; the shared ones follow if `leaves_own`.
    """

    name: str
    created_at: datetime
    deployments: tuple[DeploymentPolicy, ...]
    routing: str = FIXED_ORDER
    weights: Mapping[int, int] = {}
    owners: frozenset[Owner] = frozenset()
    leaves_own: bool = False


class PolicySnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything but the keys, at one version of policy. Aliases by organisation and name, what is kept by team."""

    version: int
    loaded_at: datetime
    aliases: Mapping[int, Mapping[str, AliasPolicy]]
    caching: Caching = {}
    storing: Storing = {}

    def aliases_of(self, organisation_id: int) -> Mapping[str, AliasPolicy]:
        """Return this organisation's aliases by name."""
        return self.aliases.get(organisation_id, {})


class KeyPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """One secret of one virtual key, with everything that governs calls made with it.

    Instants are compared with the time of each request, so that an expiry needs no event. `budgets` are those that pay
    for this key's calls, whatever the model, ascending by id; `rate_limits` those that count them.
    """

    key_id: int
    public_id: str
    digest: bytes
    secret_expires_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    organisation_id: int
    unit_id: int
    cost_centre_id: int
    team_id: int
    team_name: str
    is_team_archived: bool
    user_id: int | None
    default_tags: Mapping[str, str]
    required_tags: tuple[str, ...]
    regions: tuple[RegionRule, ...]
    default_max_output_tokens: int | None
    levels: tuple[Rules, ...]
    budgets: tuple[BudgetPolicy, ...]
    rate_limits: tuple[RateLimitPolicy, ...] = ()
    guards: GuardPolicy | None = None
