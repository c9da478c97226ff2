"""The administrators' guide shows every verb of the commands that budgets have."""

from pathlib import Path

from django.core.management import load_command_class

_GUIDE = (Path(__file__).resolve().parents[2] / "docs/administrators.md").read_text()


def test_every_verb_about_budgets_is_shown() -> None:
    for name in ("budgets", "raises", "groups", "limits"):
        parser = load_command_class("governance.commands", name).create_parser("bursar", name)
        verbs = [verb for action in parser._actions for verb in (action.choices or ()) if action.dest == "verb"]
        assert len(verbs) >= 3
        assert [verb for verb in verbs if f"bursar {name} {verb}" not in _GUIDE] == []
