"""A company's own words for what it is told."""

from pathlib import Path

import pytest
import structlog

from governance.alerts.wording import FOLDER, Kind, worded
from governance.plugin.notifier import Notice

NOTICE = Notice(
    key="bursar-crossing-1",
    subject="Budget R&D has passed 80 % of its limit",
    text="The budget R&D has spent 8 USD.",
    facts={"budget": "R&D", "threshold_percent": "80"},
)


def written(home: Path, text: str | bytes) -> Path:
    """Return a home with this template of a threshold's notice."""
    (home / FOLDER).mkdir(parents=True)
    (home / FOLDER / "threshold.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return home


def test_the_operators_words_take_the_place_of_ours_and_programs_see_no_difference(tmp_path: Path) -> None:
    home = written(tmp_path, "{{ budget }}: {{ threshold_percent }} % erreicht\n\n{{ usual_text }}\nAsk us.\n")
    said = worded(NOTICE, kind=Kind.THRESHOLD, home=home)
    assert said.subject == "R&D: 80 % erreicht"
    assert said.text == "The budget R&D has spent 8 USD.\nAsk us."
    assert (said.key, said.facts) == (NOTICE.key, NOTICE.facts)
    assert worded(NOTICE, kind=Kind.DRIFT, home=home) is NOTICE


@pytest.mark.parametrize(
    "text",
    [
        "{% if budget %}\nnever ended",
        "{% load static %}{% no_such_tag %}",
        "a subject alone",
        "",
        b"\xff\xfe",
        "{% include 'elsewhere.txt' %}\ntext",
        "{% extends 'elsewhere.txt' %}",
    ],
)
def test_a_template_that_does_not_work_is_told_of_and_ours_goes_out(tmp_path: Path, text: str | bytes) -> None:
    with structlog.testing.capture_logs() as logs:
        assert worded(NOTICE, kind=Kind.THRESHOLD, home=written(tmp_path, text)) is NOTICE
    assert [entry["event"] for entry in logs] == ["alert_template_failed"]


def test_a_subject_is_one_line_whatever_a_name_holds(tmp_path: Path) -> None:
    home = written(tmp_path, "{{ budget }}\ntext")
    said = worded(
        Notice(key="k", subject="s", text="t", facts={"budget": "a\nBcc: all"}), kind=Kind.THRESHOLD, home=home
    )
    assert said.subject == "a"
