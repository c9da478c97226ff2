"""Adding and changing accounts at vendors, with the real plugins."""

import psycopg
import pytest

from governance.audit.models import AuditEvent
from governance.connections import operations, queries
from governance.connections.errors import (
    ConnectionNameTaken,
    ConnectionNotFound,
    ConnectionRefused,
    ProviderUnknown,
    SealBroken,
)
from governance.connections.models import Connection, SealedCredential
from governance.connections.operations import NewConnection, Owner
from governance.connections.sealing import Sealed, unseal
from governance.core.database_url import DatabaseRole
from governance.core.plugins import load_plugins
from tests.support.company import ACTOR, NOW, SEALING_KEYS, Company, found, last_event

pytestmark = pytest.mark.django_db
CANARY = "sk-canary-4f9a"
PROVIDERS = load_plugins().providers


@pytest.fixture
def company() -> Company:
    return found()


def add(company: Company, **fields: object) -> Connection:
    new = NewConnection(
        **{  # type: ignore[arg-type]  # some are wrong on purpose
            "organisation_id": company.organisation.pk,
            "name": "vllm",
            "provider": "openai_compatible",
            "base_url": "http://127.0.0.1:9/v1",
            "credential": CANARY,
            **fields,
        }
    )
    return operations.add(actor=ACTOR, at=NOW, sealing_keys=SEALING_KEYS, providers=PROVIDERS, new=new)


def credential_of(connection: Connection) -> str:
    row = SealedCredential.objects.get(connection=connection)
    sealed = Sealed(row.sealing_key, bytes(row.nonce), bytes(row.ciphertext))
    return unseal(sealed, connection_id=connection.pk, keys=SEALING_KEYS)


def test_a_connection_seals_its_credential_and_the_trail_does_not_hold_it(company: Company) -> None:
    connection = add(company)
    assert credential_of(connection) == CANARY
    assert last_event().action == "connection.added"
    assert last_event().after["has_credential"] is True
    assert CANARY not in str([(event.before, event.after) for event in AuditEvent.objects.all()])
    (listed,) = queries.connections_of(organisation_id=company.organisation.pk)
    assert listed.has_credential


def test_a_local_server_needs_no_credential(company: Company) -> None:
    connection = add(company, credential="")
    assert not SealedCredential.objects.filter(connection=connection).exists()


def test_an_unknown_provider_is_answered_with_those_there_are(company: Company) -> None:
    with pytest.raises(ProviderUnknown, match=r"azure_openai, .*openai_compatible, .*sandbox"):
        add(company, provider="nobody")


def test_a_name_is_taken_once(company: Company) -> None:
    add(company)
    with pytest.raises(ConnectionNameTaken):
        add(company)
    add(found("Other"))


@pytest.mark.parametrize(
    "base_url",
    [
        "ftp://vendor.example/v1",
        "file:///etc/passwd",
        "http://",
        "vendor.example",
        "https://user:secret@vendor.example/v1",
        "https://vendor.example/v1#fragment",
        "https://vendor.example/v1?key=1",
        "https://vendor.example/v1\r\nHost: other",
        "http://169.254.169.254/latest",
        "http://[::ffff:169.254.169.254]/",
        "http://[fe80::1]/",
        "http://0.0.0.0:80/",
        "http://metadata.google.internal/",
        "http://vendor.example:99999/",
        "http://[::1",
        "https://" + "a" * 2000,
    ],
)
def test_an_address_where_no_vendor_can_be_is_refused(company: Company, base_url: str) -> None:
    with pytest.raises(ConnectionRefused):
        add(company, base_url=base_url)
    assert not Connection.objects.exists()


def test_a_key_file_is_kept_without_its_blanks(company: Company) -> None:
    file = '{\n  "client_email": "robot@example.test",\n  "private_key": "-----BEGIN\\nabc\\n"\n}\n'
    kept = '{"client_email":"robot@example.test","private_key":"-----BEGIN\\nabc\\n"}'
    connection = add(company, credential=file)
    assert credential_of(connection) == kept
    with pytest.raises(ConnectionRefused, match="begins like JSON and is none") as refusal:
        operations.replace_credential(
            actor=ACTOR, at=NOW, sealing_keys=SEALING_KEYS, connection_id=connection.pk, credential=file[:-3]
        )
    assert "robot" not in refusal.value.message
    assert credential_of(connection) == kept


@pytest.mark.parametrize("credential", ["sk-1\r\nX-Other: 1", "sk-ключ", "x" * 20_000])
def test_a_credential_that_cannot_stand_in_a_header_is_refused_unrepeated(company: Company, credential: str) -> None:
    with pytest.raises(ConnectionRefused) as refusal:
        add(company, credential=credential)
    assert credential not in refusal.value.message


def test_options_that_the_plugin_refuses_are_not_kept(company: Company) -> None:
    with pytest.raises(ConnectionRefused):
        add(company, options={"no_such_option": "yes"})
    connection = add(company)
    with pytest.raises(ConnectionRefused):
        operations.change(
            actor=ACTOR,
            connection_id=connection.pk,
            providers=PROVIDERS,
            base_url=connection.base_url,
            options={"no_such_option": "yes"},
        )
    connection.refresh_from_db()
    assert connection.options == {}


def test_a_change_is_noted_with_before_and_after_and_only_when_there_is_one(company: Company) -> None:
    connection = add(company)
    for _ in range(2):
        operations.change(
            actor=ACTOR,
            connection_id=connection.pk,
            providers=PROVIDERS,
            base_url="http://127.0.0.1:10/v1",
            options={},
        )
    event = AuditEvent.objects.get(action="connection.changed")
    assert event.before["base_url"] == "http://127.0.0.1:9/v1"
    assert event.after["base_url"] == "http://127.0.0.1:10/v1"
    assert credential_of(connection) == CANARY


def test_a_credential_is_replaced(company: Company) -> None:
    connection = add(company)
    operations.replace_credential(
        actor=ACTOR, at=NOW, sealing_keys=SEALING_KEYS, connection_id=connection.pk, credential="sk-other"
    )
    assert credential_of(connection) == "sk-other"
    with pytest.raises(ConnectionRefused):
        operations.replace_credential(
            actor=ACTOR, at=NOW, sealing_keys=SEALING_KEYS, connection_id=connection.pk, credential=""
        )


def test_a_connection_goes_out_of_use_and_back_each_noted_once(company: Company) -> None:
    connection = add(company)
    for is_enabled in (False, False, True):
        operations.change_use(actor=ACTOR, connection_id=connection.pk, is_enabled=is_enabled)
    actions = AuditEvent.objects.filter(subject=f"connection:{connection.pk}").order_by("id")
    assert [event.action for event in actions][1:] == ["connection.disabled", "connection.enabled"]


def test_credentials_are_sealed_anew_under_the_first_key(company: Company) -> None:
    connection = add(company)
    turned = tuple(reversed(SEALING_KEYS))
    assert operations.reseal_all(actor=ACTOR, at=NOW, sealing_keys=turned) == 1
    assert operations.reseal_all(actor=ACTOR, at=NOW, sealing_keys=turned) == 0
    assert SealedCredential.objects.get(connection=connection).sealing_key == "second"
    assert credential_of(connection) == CANARY


def test_sealing_anew_changes_nothing_when_one_does_not_open(company: Company) -> None:
    add(company)
    with pytest.raises(SealBroken):
        operations.reseal_all(actor=ACTOR, at=NOW, sealing_keys=SEALING_KEYS[1:])
    assert SealedCredential.objects.get().sealing_key == "first"


def test_an_unknown_connection_is_answered_with_those_there_are(company: Company) -> None:
    add(company)
    with pytest.raises(ConnectionNotFound, match="'vllm'"):
        queries.connection_named(organisation=company.organisation, name="other")


@pytest.mark.django_db(transaction=True)
def test_the_console_writes_credentials_and_cannot_read_them(database_urls: dict[DatabaseRole, str]) -> None:
    connection = add(found())
    sets = "UPDATE connections_sealedcredential SET nonce = %s, sealing_key = %s WHERE connection_id = %s"
    with psycopg.connect(database_urls["console"], autocommit=True) as console:
        console.execute(sets, (b"n" * 12, "second", connection.pk))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            console.execute("SELECT ciphertext FROM connections_sealedcredential")
    assert SealedCredential.objects.get().sealing_key == "second"


def test_an_own_account_belongs_to_one_unit_or_team_of_the_organisation(company: Company) -> None:
    connection = add(company, owner=Owner(team_id=company.team.pk, is_charged=False))
    assert (connection.owner_text, connection.is_charged) == ("team search", False)
    assert last_event().after["team_id"] == company.team.pk
    for owner in (
        Owner(),
        Owner(team_id=company.team.pk, unit_id=company.unit.pk),
        Owner(team_id=found("Other").team.pk),
    ):
        with pytest.raises(ConnectionRefused):
            add(company, name="another", owner=owner)


def test_whether_an_own_account_is_charged_can_change_and_a_shared_one_always_is(company: Company) -> None:
    connection = add(company, owner=Owner(unit_id=company.unit.pk))
    operations.change_charging(actor=ACTOR, connection_id=connection.pk, is_charged=False)
    assert (last_event().action, last_event().after) == ("connection.charging_changed", {"is_charged": False})
    shared = add(company, name="shared")
    with pytest.raises(ConnectionRefused, match="everybody's, so what is used through it is charged"):
        operations.change_charging(actor=ACTOR, connection_id=shared.pk, is_charged=False)
