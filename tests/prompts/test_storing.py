"""Opting in and out, reading and erasing stored prompts, and what the trail says of it."""

import io
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from governance.connections.errors import SealBroken
from governance.connections.sealing import Sealed, unseal_secret
from governance.core.clock import utc_now
from governance.core.database_url import DatabaseRole
from governance.core.environment import SealingKey
from governance.prompts import operations
from governance.prompts.envelope import Conversation, data_key_owner, seal_conversation
from governance.prompts.errors import PromptNotFound, StoringRefused
from governance.prompts.models import PromptStorage, StoredPrompt
from governance.prompts.operations import StoringWish
from governance.prompts.tasks import keep_prompts_in_order
from tests.support.company import ACTOR, SEALING_KEYS, Company, found, last_event
from tests.support.roles import connected_as

pytestmark = pytest.mark.django_db(transaction=True)
SAID = Conversation(b'{"model":"tiny"}', b'{"choices":[]}')
WISH = StoringWish(days=30, max_bytes=4096)


@pytest.fixture
def company() -> Company:
    return found()


def turn_on(company: Company, keys: tuple[SealingKey, ...] = SEALING_KEYS, **wish: int) -> PromptStorage:
    wanted = StoringWish(**{"days": 30, "max_bytes": 4096, **wish})
    return operations.turn_on(actor=ACTOR, team_id=company.team.pk, wish=wanted, sealing_keys=keys)


def store(company: Company, *, age_days: int = 0, keys: tuple[SealingKey, ...] = SEALING_KEYS) -> UUID:
    """Store one as a gateway does; return its request's id."""
    storage = PromptStorage.objects.get(team=company.team)
    sealed = Sealed(storage.sealing_key, bytes(storage.nonce), bytes(storage.ciphertext))
    owner = data_key_owner(team_id=company.team.pk, data_key_id=storage.data_key_id)
    data_key = unseal_secret(sealed, owner=owner, keys=keys)
    request_id = uuid4()
    nonce, ciphertext = seal_conversation(SAID, data_key=data_key, team_id=company.team.pk, request_id=request_id)
    StoredPrompt.objects.create(
        request_id=request_id,
        asked_at=utc_now() - timedelta(days=age_days),
        organisation_id=company.organisation.pk,
        team=company.team,
        key_id=1,
        alias="tiny",
        wire="openai_chat",
        status=200,
        is_cut=False,
        data_key_id=storage.data_key_id,
        nonce=nonce,
        ciphertext=ciphertext,
    )
    return request_id


def read(request_id: UUID, keys: tuple[SealingKey, ...] = SEALING_KEYS) -> Conversation:
    return operations.read(actor=ACTOR, request_id=request_id, sealing_keys=keys)


def test_whoever_reads_one_stands_in_the_trail_and_its_words_do_not(company: Company) -> None:
    turn_on(company)
    assert last_event().action == "team.prompts_stored"
    request_id = store(company)
    assert read(request_id) == SAID
    event = last_event()
    assert (event.action, event.subject, event.actor) == ("prompt.read", f"request:{request_id}", ACTOR.name)
    assert "tiny" not in str((event.before, event.after))


def test_turning_it_off_erases_everything_and_its_key(company: Company) -> None:
    turn_on(company)
    request_id = store(company)
    assert operations.turn_off(actor=ACTOR, team_id=company.team.pk, reason="over") == 1
    assert (last_event().action, last_event().reason) == ("team.prompts_not_stored", "over")
    assert not PromptStorage.objects.exists()
    with pytest.raises(PromptNotFound):
        read(request_id)
    assert operations.turn_off(actor=ACTOR, team_id=company.team.pk) == 0


def test_an_erased_team_goes_on_under_a_key_that_opens_no_copy(company: Company) -> None:
    before = turn_on(company).data_key_id
    request_id = store(company)
    copy = StoredPrompt.objects.get(request_id=request_id)
    with pytest.raises(StoringRefused, match="needs a reason"):
        operations.erase_team(actor=ACTOR, team_id=company.team.pk, reason=" ", sealing_keys=SEALING_KEYS)
    operations.erase_team(actor=ACTOR, team_id=company.team.pk, reason="asked", sealing_keys=SEALING_KEYS)
    assert PromptStorage.objects.get().data_key_id != before
    StoredPrompt.objects.bulk_create([copy])
    with pytest.raises(PromptNotFound, match="its key is gone"):
        read(request_id)
    assert store(company) != request_id


def test_one_request_is_erased_with_a_reason_and_the_others_stay(company: Company) -> None:
    turn_on(company)
    one, other = store(company), store(company)
    operations.erase_request(actor=ACTOR, request_id=one, reason="a person asked")
    assert (last_event().action, last_event().reason) == ("prompt.erased", "a person asked")
    assert read(other) == SAID
    with pytest.raises(PromptNotFound):
        operations.erase_request(actor=ACTOR, request_id=one, reason="again")


def test_a_row_that_was_moved_does_not_open(company: Company) -> None:
    turn_on(company)
    row = StoredPrompt.objects.get(request_id=store(company))
    row.request_id = uuid4()
    StoredPrompt.objects.bulk_create([row])
    with pytest.raises(SealBroken):
        read(row.request_id)


@pytest.mark.parametrize("wrong", [{"days": 0}, {"days": 401}, {"max_bytes": 1}, {"max_bytes": 2**30}])
def test_a_wish_out_of_bounds_is_refused(company: Company, wrong: dict[str, int]) -> None:
    with pytest.raises(StoringRefused):
        turn_on(company, **wrong)


def test_data_keys_follow_when_sealing_keys_are_changed(company: Company) -> None:
    turn_on(company)
    request_id = store(company)
    new_first = (SEALING_KEYS[1], SEALING_KEYS[0])
    assert operations.reseal_all(actor=ACTOR, sealing_keys=new_first) == 1
    assert operations.reseal_all(actor=ACTOR, sealing_keys=new_first) == 0
    assert read(request_id, new_first[:1]) == SAID


def test_what_is_older_than_the_team_wants_goes_and_a_day_nobody_wants_as_a_whole(company: Company) -> None:
    turn_on(company, days=3)
    kept, old = store(company, age_days=2), store(company, age_days=5)
    with connection.cursor() as cursor:
        day = (utc_now() - timedelta(days=9)).date()
        cursor.execute(
            f"CREATE TABLE prompts_storedprompt_p{day:%Y%m%d} PARTITION OF prompts_storedprompt "
            f"FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
        )
    store(company, age_days=9)
    keep_prompts_in_order()
    keep_prompts_in_order()
    assert set(StoredPrompt.objects.values_list("request_id", flat=True)) == {kept}
    assert f"prompts_storedprompt_p{day:%Y%m%d}" not in connection.introspection.table_names()
    with pytest.raises(PromptNotFound):
        read(old)


@pytest.fixture
def at_the_console(company: Company, database_urls: dict[DatabaseRole, str]) -> Iterator[Company]:
    with connected_as(database_urls["console"]):
        yield company


def _run(*words: str) -> Any:
    printed = io.StringIO()
    call_command("prompts", *words, "--json", stdout=printed)
    return json.loads(printed.getvalue())


def test_the_command_line_turns_it_on_lists_and_erases_with_the_consoles_rights(at_the_console: Company) -> None:
    assert _run("on", "search", "--days", "7", "--kibibytes", "8") == {"team": "search", "days": 7, "max_bytes": 8192}
    assert [(each["team"], each["requests"], each["oldest"]) for each in _run("list")] == [("search", 0, None)]
    assert _run("erase", "--team", "search", "--reason", "asked")["erased_requests"] == 0
    with pytest.raises(CommandError, match="is no request's id"):
        _run("show", "something")
    with pytest.raises(CommandError, match="Nothing is stored of the request"):
        _run("show", str(uuid4()))
    assert _run("off", "search") == {"team": "search", "erased_requests": 0}
    assert _run("list") == []
