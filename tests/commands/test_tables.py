"""What commands print for people: aligned, and short enough to read."""

from governance.commands.base import as_text


def test_columns_stand_under_each_other() -> None:
    assert as_text([{"id": 1, "name": "first"}, {"id": 20, "name": None}]).splitlines() == [
        "id  name",
        "1   first",
        "20  -",
    ]


def test_a_short_list_is_shown_and_a_long_one_is_counted() -> None:
    shown = as_text({"tags": ["feature", "customer"], "skipped": [f"model {number}" for number in range(98)]})
    assert shown.splitlines() == ["tags     feature, customer", "skipped  98 (--json shows them)"]


def test_nothing_is_said_in_words() -> None:
    assert as_text([]) == "Nothing yet."
