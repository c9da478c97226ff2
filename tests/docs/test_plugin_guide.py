"""The guide for plugin authors names every hook with its exact arguments, and everything the kit offers."""

import inspect
from pathlib import Path

from governance.plugin import hooks, testing

GUIDE = (Path(__file__).parents[2] / "docs" / "plugin-authors.md").read_text()


def test_every_hook_stands_in_the_guide_with_its_arguments() -> None:
    specifications = {name: function for name, function in vars(hooks).items() if name.startswith("bursar_")}
    assert specifications
    for name, function in specifications.items():
        assert f"`{name}({', '.join(inspect.signature(function).parameters)})`" in GUIDE


def test_the_guide_shows_the_conformance_kit() -> None:
    for name in ("PROVIDER_CHECKS", "Subject", "check_recorded_reply", "check_recorded_stream"):
        assert name in GUIDE
        assert hasattr(testing, name)
