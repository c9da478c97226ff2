"""Writing provider connections. A credential goes in and never comes out: neither here nor in the trail."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from django.db import transaction

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.connections import queries
from governance.connections.checking import check_settings, clean_credential, provider_named
from governance.connections.errors import ConnectionNameTaken, ConnectionRefused
from governance.connections.models import Connection, SealedCredential
from governance.connections.sealing import Sealed, seal, unseal
from governance.core.environment import SealingKey
from governance.plugin.provider import ConnectionSettings, Provider
from governance.teams import queries as teams
from governance.teams.names import clean_name, clean_region
from governance.teams.taken import refusing_taken

_UNREAD = "credential-not-read-for-this-check"


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Whose own account a connection is: a unit's or a team's. `is_charged`: its use is booked on them all the same."""

    unit_id: int | None = None
    team_id: int | None = None
    is_charged: bool = True


class NewConnection(msgspec.Struct, frozen=True, kw_only=True):
    """A connection to be made. An empty `base_url` takes the provider's own; `credential` may be empty where the
    provider needs none. Without an `owner` it is everybody's.
    """

    organisation_id: int
    name: str
    provider: str
    base_url: str = ""
    credential: str = ""
    region: str = ""
    options: Mapping[str, str] = {}
    owner: Owner | None = None

    def __repr__(self) -> str:
        return f"NewConnection(name={self.name!r}, provider={self.provider!r})"


@transaction.atomic
def add(
    *,
    actor: Actor,
    at: datetime,
    sealing_keys: Sequence[SealingKey],
    providers: Mapping[str, Provider],
    new: NewConnection,
) -> Connection:
    """Make a connection and seal its credential.

    Raises ProviderUnknown, ConnectionRefused, ConnectionNameTaken, NameRefused, and the rooms' NotFound errors.
    """
    organisation = teams.organisation(organisation_id=new.organisation_id)
    provider = provider_named(new.provider, providers=providers)
    if provider.needs_credential and not new.credential:
        raise ConnectionRefused(f"{provider.title} needs a credential: give the account's API key.")
    credential = clean_credential(new.credential)
    name = clean_name(new.name, what="connection's name")
    connection = Connection(
        organisation=organisation,
        name=name,
        provider=provider.name,
        base_url=new.base_url or provider.default_base_url,
        options=dict(new.options),
        region=clean_region(new.region) if new.region else "",
    )
    if new.owner is not None:
        _give(connection, new.owner)
    check_settings(provider, _settings(connection, credential=credential))
    with refusing_taken(ConnectionNameTaken(f"{organisation} has a connection {name!r} already: choose another name.")):
        connection.save(force_insert=True)
    if credential:
        _write_credential(connection, credential, at=at, sealing_keys=sealing_keys)
    audit.record(
        actor=actor,
        action="connection.added",
        subject=f"connection:{connection.id}",
        after=_facts(connection) | {"has_credential": bool(credential)},
    )
    return connection


@transaction.atomic
def change(
    *,
    actor: Actor,
    connection_id: int,
    providers: Mapping[str, Provider],
    base_url: str,
    options: Mapping[str, str],
) -> Connection:
    """Set where the vendor is and the plugin's options. Raises ConnectionNotFound, ConnectionRefused."""
    connection = queries.connection(connection_id=connection_id, is_locked=True)
    before = _facts(connection)
    provider = provider_named(connection.provider, providers=providers)
    connection.base_url = base_url or provider.default_base_url
    connection.options = dict(options)
    if _facts(connection) == before:
        return connection
    check_settings(provider, _settings(connection, credential=_UNREAD), is_unread=True)
    connection.save(update_fields=["base_url", "options"])
    audit.record(
        actor=actor,
        action="connection.changed",
        subject=f"connection:{connection.id}",
        before=before,
        after=_facts(connection),
    )
    return connection


@transaction.atomic
def replace_credential(
    *, actor: Actor, at: datetime, sealing_keys: Sequence[SealingKey], connection_id: int, credential: str
) -> Connection:
    """Seal another credential over the old one. Raises ConnectionNotFound, ConnectionRefused."""
    connection = queries.connection(connection_id=connection_id, is_locked=True)
    if not credential:
        raise ConnectionRefused("The new credential is empty: give the account's API key.")
    _write_credential(connection, clean_credential(credential), at=at, sealing_keys=sealing_keys)
    audit.record(
        actor=actor,
        action="connection.credential_replaced",
        subject=f"connection:{connection.id}",
        after={"sealing_key": sealing_keys[0].key_id},
    )
    return connection


@transaction.atomic
def place(*, actor: Actor, connection_id: int, region: str) -> Connection:
    """Say where the vendor handles what is sent there (empty: not known). Raises ConnectionNotFound, NameRefused."""
    connection = queries.connection(connection_id=connection_id, is_locked=True)
    before = _facts(connection)
    connection.region = clean_region(region) if region else ""
    if _facts(connection) == before:
        return connection
    connection.save(update_fields=["region"])
    audit.record(
        actor=actor,
        action="connection.region_changed",
        subject=f"connection:{connection.id}",
        before=before,
        after=_facts(connection),
    )
    return connection


@transaction.atomic
def change_charging(*, actor: Actor, connection_id: int, is_charged: bool) -> Connection:
    """Say whether what an own account's owner uses through it is booked on them. What was booked stays as it is.

    Raises ConnectionNotFound, ConnectionRefused.
    """
    connection = queries.connection(connection_id=connection_id, is_locked=True)
    if connection.unit_id is None and connection.team_id is None:
        raise ConnectionRefused(f"The connection {connection} is everybody's, so what is used through it is charged.")
    if connection.is_charged == is_charged:
        return connection
    connection.is_charged = is_charged
    connection.save(update_fields=["is_charged"])
    audit.record(
        actor=actor,
        action="connection.charging_changed",
        subject=f"connection:{connection.id}",
        before={"is_charged": not is_charged},
        after={"is_charged": is_charged},
    )
    return connection


@transaction.atomic
def change_use(*, actor: Actor, connection_id: int, is_enabled: bool, reason: str = "") -> Connection:
    """Take the connection out of use, or back in. Raises ConnectionNotFound."""
    connection = queries.connection(connection_id=connection_id, is_locked=True)
    if connection.is_enabled == is_enabled:
        return connection
    connection.is_enabled = is_enabled
    connection.save(update_fields=["is_enabled"])
    audit.record(
        actor=actor,
        action="connection.enabled" if is_enabled else "connection.disabled",
        subject=f"connection:{connection.id}",
        before={"is_enabled": not is_enabled},
        after={"is_enabled": is_enabled},
        reason=reason,
    )
    return connection


@transaction.atomic
def reseal_all(*, actor: Actor, at: datetime, sealing_keys: Sequence[SealingKey]) -> int:
    """Seal with the first key what older keys sealed; return how many. Needs a database role that may read them.

    Raises SealBroken when one cannot be opened, and then changes none.
    """
    outdated = SealedCredential.objects.select_for_update(no_key=True).exclude(sealing_key=sealing_keys[0].key_id)
    count = 0
    for row in outdated.order_by("connection_id").select_related("connection"):
        sealed = Sealed(row.sealing_key, bytes(row.nonce), bytes(row.ciphertext))
        credential = unseal(sealed, connection_id=row.connection_id, keys=sealing_keys)
        _write_credential(row.connection, credential, at=at, sealing_keys=sealing_keys)
        audit.record(
            actor=actor,
            action="connection.credential_resealed",
            subject=f"connection:{row.connection_id}",
            before={"sealing_key": sealed.key_id},
            after={"sealing_key": sealing_keys[0].key_id},
        )
        count += 1
    return count


def _write_credential(
    connection: Connection, credential: str, *, at: datetime, sealing_keys: Sequence[SealingKey]
) -> None:
    # Written without being read: the console's database role may not read what is sealed.
    sealed = seal(credential, connection_id=connection.pk, keys=sealing_keys)
    values = {
        "sealing_key": sealed.key_id,
        "nonce": sealed.nonce,
        "ciphertext": sealed.ciphertext,
        "sealed_at": at,
    }
    if not SealedCredential.objects.filter(connection_id=connection.pk).update(**values):
        SealedCredential(connection_id=connection.pk, **values).save(force_insert=True)


def _settings(connection: Connection, *, credential: str) -> ConnectionSettings:
    return ConnectionSettings(
        id=connection.pk or 0,
        name=connection.name,
        base_url=connection.base_url,
        credential=credential,
        options=connection.options,
    )


def _give(connection: Connection, owner: Owner) -> None:
    """Make the connection the own account of a unit or team of its organisation."""
    unit = teams.unit(unit_id=owner.unit_id) if owner.unit_id is not None else None
    team = teams.team(team_id=owner.team_id) if owner.team_id is not None else None
    if (unit is None) == (team is None):
        raise ConnectionRefused("An own account belongs to one unit or to one team.")
    found = unit or team
    if found is None or found.organisation_id != connection.organisation_id:
        raise ConnectionRefused(f"The connection and its owner {found} must belong to one organisation.")
    connection.unit, connection.team, connection.is_charged = unit, team, owner.is_charged


def _facts(connection: Connection) -> dict[str, object]:
    return {
        "name": connection.name,
        "provider": connection.provider,
        "base_url": connection.base_url,
        "options": dict(connection.options),
        "region": connection.region,
        "unit_id": connection.unit_id,
        "team_id": connection.team_id,
        "is_charged": connection.is_charged,
    }
