"""How many answers a process keeps, and which: pure."""

from typing import Any

import pytest

from governance.gateway.repeatable import is_over, is_repeatable
from governance.gateway.response_cache import KeptAnswer, ResponseCache
from governance.plugin.provider import Wire
from governance.plugin.splicing import Members
from governance.policy.caching import CachePolicy

POLICY = CachePolicy(ttl_seconds=60, max_bytes=10_000)
_ANY: Any = None


def answer(size: int = 976, *, at: float = 0.0) -> KeptAnswer:
    return KeptAnswer(
        headers=[],
        body=b"x" * size,
        attribution=_ANY,
        usage=_ANY,
        rated=_ANY,
        served_model=None,
        service_tier="standard",
        kept_at=at,
    )


def kept(cache: ResponseCache, team: int, count: int) -> list[int]:
    return [number for number in range(count) if cache.find(team, b"%d" % number, POLICY, at=1) is not None]


def test_a_team_keeps_what_it_may_and_the_least_recently_used_goes() -> None:
    cache = ResponseCache(1_000_000)
    for number in range(5):
        cache.keep(1, b"%d" % number, answer(), POLICY)
    assert cache.find(1, b"0", POLICY, at=1) is not None
    cache.keep(1, b"5", answer(), POLICY)
    assert (kept(cache, 1, 6), cache.size) == ([0, 2, 3, 4, 5], 10_000)
    cache.keep(1, b"0", answer(), POLICY)
    assert cache.size == 10_000
    cache.keep(1, b"6", answer(9_000), POLICY)
    assert kept(cache, 1, 7) == [0, 2, 3, 4, 5]


def test_where_all_together_have_no_room_the_team_with_the_most_makes_it() -> None:
    cache = ResponseCache(12_000)
    cache.keep(2, b"0", answer(), POLICY)
    for number in range(5):
        cache.keep(1, b"%d" % number, answer(), POLICY)
    cache.keep(2, b"1", answer(), POLICY)
    assert (kept(cache, 1, 5), kept(cache, 2, 2), cache.size) == ([1, 2, 3, 4], [0, 1], 12_000)


def test_a_team_that_wants_less_or_nothing_any_more_is_obeyed_at_once() -> None:
    cache = ResponseCache(100_000)
    for team in (1, 2):
        for number in range(5):
            cache.keep(team, b"%d" % number, answer(), POLICY)
    cache.obey({1: CachePolicy(ttl_seconds=60, max_bytes=4_000)})
    assert (kept(cache, 1, 5), kept(cache, 2, 5), cache.size) == ([3, 4], [], 4_000)


@pytest.mark.parametrize(
    ("wire", "body", "is_so"),
    [
        (Wire.OPENAI_CHAT, b'{"temperature": 0.0}', True),
        (Wire.OPENAI_CHAT, b'{"temperature": "0"}', False),
        (Wire.OPENAI_CHAT, b'{"temperature": null}', False),
        (Wire.OPENAI_EMBEDDINGS, b"{}", True),
        (Wire.GEMINI_GENERATE, b'{"temperature": 0}', False),
        (Wire.GEMINI_GENERATE, b'{"generationConfig": {"temperature": 0}}', True),
        (Wire.GEMINI_GENERATE, b'{"generation_config": {"temperature": 0}}', True),
        (Wire.OPENAI_RESPONSES, b'{"temperature": 0, "conversation": "c"}', False),
        (Wire.OPENAI_RESPONSES, b'{"temperature": 0, "background": false}', True),
    ],
)
def test_only_what_asks_for_the_same_again_is_repeatable(wire: Wire, body: bytes, is_so: bool) -> None:
    assert is_repeatable(wire, Members(body), is_any_temperature=False) is is_so


@pytest.mark.parametrize(
    ("body", "is_so"),
    [
        (b'{"choices": [{"message": {"content": "an \\"error\\": {}"}}]}', True),
        (b'{"status": "completed"}', True),
        (b'{"status": "queued"}', False),
        (b'{"status": "failed", "error": {}}', False),
        (b'{"error": {"message": "no"}}', False),
        (b'data: {"choices":[]}\n\ndata: {"error":{}}\n\n', False),
        (b'event: error\ndata: {"type":"error"}\n\n', False),
        (b"event: response.failed\ndata: {}\n\n", False),
        (b'[{"candidates":[]},\n{"error":{}}]', False),
    ],
)
def test_what_fails_in_words_or_goes_on_elsewhere_is_not_over(body: bytes, is_so: bool) -> None:
    assert is_over(body) is is_so
