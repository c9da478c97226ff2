"""Globs over aliases, and the chain of allow-lists: pure."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.catalog.names import is_alias_name, is_alias_pattern
from governance.policy.matching import Decision, Rules, matches, may

LETTERS = "aAb./-"
ALIASES = st.text(LETTERS, min_size=1, max_size=8)
PATTERNS = st.text(LETTERS + "*?", min_size=1, max_size=8)


def slowly(alias: str, pattern: str) -> bool:
    """The definition of a glob, without regular expressions."""
    if not pattern:
        return not alias
    head, rest = pattern[0], pattern[1:]
    if head == "*":
        return any(slowly(alias[cut:], rest) for cut in range(len(alias) + 1))
    return bool(alias) and head in ("?", alias[0]) and slowly(alias[1:], rest)


@given(ALIASES, PATTERNS)
def test_a_pattern_matches_as_globs_are_defined(alias: str, pattern: str) -> None:
    assert matches(alias, pattern) is slowly(alias, pattern)


@given(ALIASES)
def test_every_alias_matches_itself_and_the_star(alias: str) -> None:
    assert matches(alias, alias)
    assert matches(alias, "*")


@pytest.mark.parametrize(
    ("alias", "pattern"), [("GPT-4", "gpt-4"), ("gpt-4\n", "gpt-4"), ("xgpt-4", "gpt-4"), ("gpt-4", "gpt-.")]
)
def test_case_line_ends_and_dots_are_taken_literally(alias: str, pattern: str) -> None:
    assert not matches(alias, pattern)


def test_a_hostile_pattern_costs_no_time() -> None:
    began = time.process_time()
    assert not matches("a" * 200, "*a" * 99 + "b")
    assert time.process_time() - began < 5, "an exponential match would take years"


@given(st.text())
def test_what_is_kept_as_a_name_or_pattern_is_plain_ascii(text: str) -> None:
    if is_alias_name(text):
        assert is_alias_pattern(text)
    if is_alias_pattern(text):
        assert re.fullmatch(r"[!-~]+", text)


@given(st.lists(st.none() | st.lists(PATTERNS, max_size=3), max_size=4), ALIASES)
def test_an_alias_passes_when_every_level_with_rules_lets_it(levels: list[list[str] | None], alias: str) -> None:
    rules = [Rules(f"level {number}", None if one is None else tuple(one)) for number, one in enumerate(levels)]
    decision = may(alias, rules)
    ruling = [one for one in levels if one is not None]
    assert decision.is_allowed is all(any(slowly(alias, pattern) for pattern in one) for one in ruling)
    if not ruling:
        assert decision == Decision(is_allowed=True)


def test_the_decision_names_the_level_that_refused_or_the_rule_that_allowed_last() -> None:
    levels = [Rules("organisation Acme", ("*",)), Rules("team search", ("gpt-*", "tiny")), Rules("key ci", None)]
    assert may("tiny", levels) == Decision(is_allowed=True, level="team search", pattern="tiny")
    assert may("grok", levels) == Decision(is_allowed=False, level="team search")


def test_a_level_whose_rules_allow_nothing_refuses_everything() -> None:
    assert not may("tiny", [Rules("team search", ())]).is_allowed
