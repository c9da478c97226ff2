"""Policy as the request path sees it: reads every room's rows through psycopg and compiles them. No Django."""

from collections.abc import Mapping
from datetime import date, datetime
from itertools import groupby
from typing import NamedTuple, cast
from urllib.parse import quote

import msgspec
import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from governance.budgets.hot import load_path
from governance.catalog.hot import ModelRow, TargetRow, load_models, load_prices, load_targets
from governance.catalog.rating import PriceLine, RateTable
from governance.connections.hot import ConnectionRow, load_connections
from governance.connections.secrets import secrets_of
from governance.connections.tokens import Tokens, grant_of
from governance.keys.hot import KeyRow, load_key
from governance.plugin.errors import ConnectionInvalid
from governance.plugin.provider import (
    ConnectionSettings,
    NamingProvider,
    Provider,
    SelectiveProvider,
    Upstream,
    Wire,
    wires_of,
)
from governance.policy.hot_caching import load_caching
from governance.policy.hot_guards import load_guards
from governance.policy.hot_limits import load_rate_limits
from governance.policy.matching import Rules
from governance.policy.opening import Opener
from governance.policy.reach import Owner
from governance.policy.regions import RegionRule
from governance.policy.snapshot import (
    AliasPolicy,
    DeploymentPolicy,
    KeyPolicy,
    ModelPolicy,
    PolicySnapshot,
)
from governance.prompts.hot import load_storing

_log = structlog.get_logger("bursar.policy")

CHANNEL = "bursar_policy"
"""Where the database says that policy changed: `policy`, or `key:<id>` when only that key did."""

_MODEL = "{model}"
_VERSION = "SELECT version FROM policy_version"


_RULES = """
    SELECT CASE WHEN r.key_id IS NOT NULL THEN 3 WHEN r.team_id IS NOT NULL THEN 2
                WHEN r.unit_id IS NOT NULL THEN 1 ELSE 0 END AS level,
           COALESCE(g.patterns, ARRAY[r.pattern])
      FROM policy_allowrule r
      LEFT JOIN policy_accessgroup g ON g.id = r.access_group_id
     WHERE r.organisation_id = %(organisation_id)s
       AND (r.unit_id IS NULL OR r.unit_id = %(unit_id)s)
       AND (r.team_id IS NULL OR r.team_id = %(team_id)s)
       AND (r.key_id IS NULL OR r.key_id = %(key_id)s)
     ORDER BY level, r.id
"""


async def load_version(connection: AsyncConnection[TupleRow]) -> int:
    """Return the version of policy, which grows with every change."""
    cursor = await connection.execute(_VERSION)
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def load_snapshot(
    connection: AsyncConnection[TupleRow],
    *,
    providers: Mapping[str, Provider],
    opener: Opener,
    tokens: Tokens,
    at: datetime,
) -> PolicySnapshot:
    """Compile the snapshot. The version is read first, so that a change meanwhile is seen as newer.

    A connection that cannot work, or waits for its token, disables its own deployments and nothing else.
    """
    version = await load_version(connection)
    connections = await load_connections(connection)
    models = await load_models(connection)
    targets = await load_targets(connection)
    prices = await load_prices(connection, model_ids=[model.id for model in models])
    policies = {model.id: _model(model, prices.get(model.id, []), on=at.date()) for model in models}
    connect = _Connector(providers, opener, tokens, at)
    usable = {row.id: ready for row in connections if (ready := connect(row)) is not None}
    tokens.forget_others({row.id for row in connections})
    owners = {row.id: Owner(row.unit_id, row.team_id) for row in connections if row.unit_id or row.team_id}
    return PolicySnapshot(
        version=version,
        loaded_at=at,
        aliases=_aliases(targets, policies, usable, owners),
        caching=await load_caching(connection),
        storing=await load_storing(connection, open_secret=opener.secret),
    )


async def load_key_policy(connection: AsyncConnection[TupleRow], *, public_id: str) -> KeyPolicy | None:
    """Return what governs calls with this secret, or None when there is no such secret."""
    row = await load_key(connection, public_id=public_id)
    if row is None:
        return None
    budgets = await load_path(
        connection,
        organisation_id=row.organisation_id,
        unit_id=row.unit_id,
        team_id=row.team_id,
        key_id=row.key_id,
        user_id=row.user_id,
    )
    return KeyPolicy(
        key_id=row.key_id,
        public_id=row.public_id,
        digest=row.digest,
        secret_expires_at=row.secret_expires_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        organisation_id=row.organisation_id,
        unit_id=row.unit_id,
        cost_centre_id=row.cost_centre_id,
        team_id=row.team_id,
        team_name=row.team_name,
        is_team_archived=row.archived_at is not None,
        user_id=row.user_id,
        default_tags=row.default_tags,
        required_tags=row.required_tags,
        regions=_region_rules(row),
        default_max_output_tokens=row.default_max_output_tokens,
        levels=await _load_levels(connection, row),
        budgets=budgets,
        rate_limits=await load_rate_limits(connection, key=row),
        guards=await load_guards(connection, key=row),
    )


async def load_connected(
    connection: AsyncConnection[TupleRow],
    *,
    connection_id: int,
    providers: Mapping[str, Provider],
    opener: Opener,
    tokens: Tokens,
    at: datetime,
) -> tuple[Provider, ConnectionSettings] | None:
    """Return an enabled connection as its provider gets it; None where it cannot work, or waits for a token."""
    connect = _Connector(providers, opener, tokens, at)
    row = next((row for row in await load_connections(connection) if row.id == connection_id), None)
    connected = connect(row) if row is not None else None
    return None if connected is None else (connected.provider, connected.settings)


def _region_rules(row: KeyRow) -> tuple[RegionRule, ...]:
    levels = (
        (f"organisation {row.organisation_name}", row.organisation_regions),
        (f"unit {row.unit_name}", row.unit_regions),
        (f"team {row.team_name}", row.team_regions),
    )
    return tuple([RegionRule(level, regions) for level, regions in levels if regions])


async def _load_levels(connection: AsyncConnection[TupleRow], row: KeyRow) -> tuple[Rules, ...]:
    names = {
        "organisation_id": row.organisation_id,
        "unit_id": row.unit_id,
        "team_id": row.team_id,
        "key_id": row.key_id,
    }
    cursor = await connection.execute(_RULES, names)
    titles = (
        f"organisation {row.organisation_name}",
        f"unit {row.unit_name}",
        f"team {row.team_name}",
        f"key {row.key_name}",
    )
    patterns: dict[int, list[str]] = {}
    for level, allowed in await cursor.fetchall():
        patterns.setdefault(level, []).extend(allowed)
    return tuple(Rules(titles[level], tuple(allowed)) for level, allowed in patterns.items())


def _model(row: ModelRow, prices: list[PriceLine], *, on: date) -> ModelPolicy:
    return ModelPolicy(
        id=row.id,
        provider=row.provider,
        name=row.name,
        max_output_tokens=row.max_output_tokens,
        dates=row.dates if row.dates.may_matter(on=on) else None,
        successor=row.successor,
        bounds=row.bounds,
        rates=RateTable(prices),
    )


class _Connected:
    """A connection whose provider accepted it."""

    def __init__(self, provider: Provider, settings: ConnectionSettings, *, row: ConnectionRow) -> None:
        self.provider = provider
        self.settings = settings
        self.region = row.region
        self.is_charged = row.is_charged
        self.secrets = secrets_of(settings.credential)
        self.upstreams: dict[Wire, Upstream] = {}
        for wire in wires_of(provider, settings):
            upstream = provider.upstream(wire=wire, connection=settings)
            if type(upstream) is not Upstream:
                raise TypeError(f"The plugin describes an upstream that is none: {type(upstream).__name__}.")
            if upstream.is_signed and not hasattr(provider, "signature"):
                raise TypeError("The plugin describes an upstream that is signed, and has no method 'signature'.")
            if upstream.is_enveloped and not hasattr(provider, "enveloped"):
                raise TypeError("The plugin describes an upstream that is enveloped, and has no method 'enveloped'.")
            self.upstreams[wire] = upstream


class _Connector(NamedTuple):
    """Makes connections ready to be used."""

    providers: Mapping[str, Provider]
    opener: Opener
    tokens: Tokens
    at: datetime

    def __call__(self, row: ConnectionRow) -> _Connected | None:
        """Return the connection; None, and a line in the log, where it cannot work."""
        provider = self.providers.get(row.provider)
        if provider is None:
            reason = f"no plugin offers provider {row.provider}"
            _log.warning("connection_disabled", connection=row.name, reason=reason)
            return None
        try:
            return _Connected(provider, self._settings(row, provider), row=row)
        except ConnectionInvalid as error:
            _log.warning("connection_disabled", connection=row.name, reason=str(error))
        except Exception:  # noqa: BLE001 - a plugin's own fault must not take the other vendors down
            _log.exception("connection_disabled", connection=row.name, reason=f"provider {row.provider} failed")
        return None

    def _settings(self, row: ConnectionRow, provider: Provider) -> ConnectionSettings:
        settings = ConnectionSettings(
            id=row.id,
            name=row.name,
            base_url=row.base_url,
            credential=self.opener.credential(row),
            options=row.options,
        )
        grant = grant_of(provider, settings)
        if grant is None:
            return settings
        token = self.tokens.held(row.id, grant, at=self.at)
        if token is None:
            raise ConnectionInvalid("it waits for a token, which its credential is exchanged for")
        return msgspec.structs.replace(settings, credential=token)


def _aliases(
    targets: tuple[TargetRow, ...],
    models: Mapping[int, ModelPolicy],
    usable: Mapping[int, _Connected],
    owners: Mapping[int, Owner],
) -> dict[int, dict[str, AliasPolicy]]:
    aliases: dict[int, dict[str, AliasPolicy]] = {}
    for (organisation_id, name), group in groupby(targets, key=lambda row: (row.organisation_id, row.alias)):
        rows = list(group)
        compiled = [(row, _deployment(row, models, usable, owners)) for row in rows]
        found = [(row, deployment) for row, deployment in compiled if deployment is not None]
        aliases.setdefault(organisation_id, {})[name] = AliasPolicy(
            name=name,
            created_at=rows[0].alias_created_at,
            deployments=tuple([deployment for _, deployment in found]),
            routing=rows[0].routing,
            weights={deployment.id: row.weight or 0 for row, deployment in found},
            owners=frozenset(owner for row in rows if (owner := owners.get(row.connection_id or 0)) is not None),
            leaves_own=rows[0].leaves_own,
        )
    return aliases


def _deployment(
    row: TargetRow,
    models: Mapping[int, ModelPolicy],
    usable: Mapping[int, _Connected],
    owners: Mapping[int, Owner],
) -> DeploymentPolicy | None:
    if row.deployment_id is None or row.model_id is None or row.connection_id is None:
        return None
    model, connected = models.get(row.model_id), usable.get(row.connection_id)
    if model is None or connected is None:
        return None
    name = row.upstream_name or model.name
    return DeploymentPolicy(
        id=row.deployment_id,
        model=model,
        upstream_name=name,
        provider=connected.provider,
        connection=connected.settings,
        upstreams=_addressed(connected.provider, _serving(connected, name), name),
        region=row.region or connected.region,
        secrets=connected.secrets,
        owner=owners.get(row.connection_id),
        is_charged=connected.is_charged,
    )


def _serving(connected: _Connected, name: str) -> Mapping[Wire, Upstream]:
    """Return the upstreams of the wires in which this model is served: all of them, where the plugin does not say."""
    provider = connected.provider
    if not hasattr(provider, "serves"):
        return connected.upstreams
    selective = cast(SelectiveProvider, provider)
    return {wire: upstream for wire, upstream in connected.upstreams.items() if selective.serves(wire=wire, model=name)}


def _addressed(provider: Provider, upstreams: Mapping[Wire, Upstream], name: str) -> Mapping[Wire, Upstream]:
    """Return where this model's requests go: its name, or another one that the plugin knows, stands in the address of
    some wires.
    """
    if not any(_MODEL in upstream.url for upstream in upstreams.values()):
        return upstreams
    has_others = hasattr(provider, "addressed")
    found: dict[Wire, Upstream] = {}
    for wire, upstream in upstreams.items():
        named = cast(NamingProvider, provider).addressed(wire=wire, model=name) if has_others else name
        quoted = quote(named, safe="")
        found[wire] = msgspec.structs.replace(
            upstream,
            url=upstream.url.replace(_MODEL, quoted),
            stream_url=upstream.stream_url.replace(_MODEL, quoted),
        )
    return found
