"""What a team's requests may do and what is kept of them, changed by administrators, and read by those who may."""

from uuid import UUID

import pytest
from django.conf import settings

from governance.audit.models import AuditEvent
from governance.connections.sealing import Sealed, unseal_secret
from governance.policy.models import GuardRule, ResponseCache
from governance.prompts.envelope import Conversation, data_key_owner, seal_conversation
from governance.prompts.models import PromptStorage, StoredPrompt
from tests.console.conftest import LogIn
from tests.console.demo import NOW, Company

CACHE = {"is_on": "on", "minutes": "30", "mebibytes": "8", "patterns": "falcon-*, gpt-*"}
PROMPTS = {"is_on": "on", "days": "14", "kibibytes": "64"}


def test_an_administrator_sets_everything_of_a_team_and_the_trail_knows(company: Company, log_in: LogIn) -> None:
    client, team = log_in("admin"), company.teams["search"]
    for what, form in (
        ("regions", {"regions": "us, eu"}),
        ("guard", {"guard": "secrets", "requests": "block"}),
        ("cache", CACHE),
        ("prompts", PROMPTS),
    ):
        assert client.post(f"/teams/{team.pk}/{what}/", form).status_code == 302
    team.refresh_from_db()
    assert team.regions == ["eu", "us"]
    assert [(rule.guard, rule.requests) for rule in GuardRule.objects.filter(team=team)] == [("secrets", "block")]
    cache = ResponseCache.objects.get(team=team)
    assert (cache.ttl_seconds, cache.max_bytes, cache.patterns) == (1800, 8 * 1024 * 1024, ["falcon-*", "gpt-*"])
    assert PromptStorage.objects.get(team=team).days == 14
    for page in (f"/teams/{team.pk}/", "/teams/"):
        text = client.get(page).content.decode()
        for words in ("eu, us", "secrets", "30 minutes", "14 days"):
            assert words in text
    assert 'value="30"' in client.get(f"/teams/{team.pk}/cache/").content.decode()
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"team.guard_changed", "team.cache_changed", "team.prompts_stored"} <= actions


def test_what_is_turned_off_is_gone(company: Company, log_in: LogIn) -> None:
    client, team = log_in("admin"), company.teams["search"]
    client.post(f"/teams/{team.pk}/cache/", CACHE)
    client.post(f"/teams/{team.pk}/prompts/", PROMPTS)
    client.post(f"/teams/{team.pk}/cache/", CACHE | {"is_on": ""})
    client.post(f"/teams/{team.pk}/prompts/", {"days": "14", "kibibytes": "64", "reason": "over"})
    assert not ResponseCache.objects.exists() and not PromptStorage.objects.exists()
    assert AuditEvent.objects.get(action="team.prompts_not_stored").reason == "over"


@pytest.mark.parametrize(
    ("what", "form", "sentence"),
    [
        ("regions", {"regions": "over there!"}, "region"),
        ("cache", CACHE | {"patterns": "gpt/{}"}, "model aliases"),
        ("cache", CACHE | {"minutes": "99999999"}, "7 days"),
        ("prompts", PROMPTS | {"days": "4000"}, "1 to 400 days"),
        ("guard", {"guard": "nobody"}, "Select a valid choice"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(
    company: Company, log_in: LogIn, what: str, form: dict[str, str], sentence: str
) -> None:
    answer = log_in("admin").post(f"/teams/{company.teams['search'].pk}/{what}/", form)
    assert (answer.status_code, sentence in answer.content.decode()) == (200, True)


@pytest.mark.parametrize("role", ["finance", "auditor", "owner", "developer"])
def test_nobody_else_changes_it(company: Company, log_in: LogIn, role: str) -> None:
    assert log_in(role).post(f"/teams/{company.teams['search'].pk}/prompts/", PROMPTS).status_code == 403
    assert not PromptStorage.objects.exists()


def store(company: Company, request_id: UUID) -> None:
    storage = PromptStorage.objects.get()
    sealed = Sealed(storage.sealing_key, bytes(storage.nonce), bytes(storage.ciphertext))
    owner = data_key_owner(team_id=storage.team_id, data_key_id=storage.data_key_id)
    data_key = unseal_secret(sealed, owner=owner, keys=settings.ENVIRONMENT.sealing_keys)
    said = Conversation(b'{"content":"<script>alert(1)</script> plans"}', b"the answer")
    nonce, ciphertext = seal_conversation(said, data_key=data_key, team_id=storage.team_id, request_id=request_id)
    StoredPrompt.objects.create(
        request_id=request_id,
        asked_at=NOW,
        organisation_id=company.organisation.pk,
        team_id=storage.team_id,
        key_id=1,
        alias="falcon-large",
        wire="openai.chat",
        status=200,
        is_cut=False,
        data_key_id=storage.data_key_id,
        nonce=nonce,
        ciphertext=ciphertext,
    )


def test_a_stored_prompt_is_read_by_admins_and_owners_who_then_stand_in_the_trail(
    busy_company: Company, log_in: LogIn
) -> None:
    record = busy_company.latest_record(key="search-production")
    log_in("admin").post(f"/teams/{busy_company.teams['search'].pk}/prompts/", PROMPTS)
    page = f"/requests/{record.attempt_id}/"
    assert "is stored" not in log_in("owner").get(page).content.decode()
    store(busy_company, record.request_id)
    for role, status in (("admin", 200), ("owner", 200), ("finance", 403), ("auditor", 403), ("developer", 404)):
        client = log_in(role)
        assert ("is stored" in client.get(page).content.decode()) is (status == 200)
        answer = client.post(f"{page}prompt/", {"reason": "ticket 1"})
        assert answer.status_code == status
        assert (b"the answer" in answer.content) is (status == 200)
        assert b"<script>alert" not in answer.content
    assert b"plans" not in log_in("owner").get(f"{page}prompt/").content
    events = AuditEvent.objects.filter(action="prompt.read")
    assert {event.actor for event in events} == {busy_company.person(name).email for name in ("admin", "owner")}
    assert {event.reason for event in events} == {"ticket 1"}
