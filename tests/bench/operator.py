"""The operator of the installation under test: sets it up with the commands that every operator has."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

_AMPLE_USD = "1000000000"
_TEAM = "default"


class Operator:
    """Runs `bursar ...` against one installation."""

    def __init__(self, *, program: Sequence[str], variables: Mapping[str, str]) -> None:
        self._program = list(program)
        self._variables = {**variables, "BENCH_CREDENTIAL": "of-no-value"}

    def run(self, *words: str) -> Any:
        """Return what the command answers. Raises SystemExit with its own words when it fails."""
        done = subprocess.run(
            [*self._program, *words, "--json"], env=self._variables, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise SystemExit(f"`bursar {' '.join(words)}` failed: {done.stderr.strip() or done.stdout.strip()}")
        return json.loads(done.stdout)

    def add_model(self, name: str, upstream_port: int) -> None:
        """Connect an upstream and sell it under this alias."""
        base_url = f"http://127.0.0.1:{upstream_port}/v1"
        credential = ("--credential-env", "BENCH_CREDENTIAL")
        self.run("connections", "add", "openai_compatible", "--name", name, "--base-url", base_url, *credential)
        prices = ("--input-price", "2.50", "--output-price", "10", "--max-output-tokens", "4096")
        self.run("models", "add", name, "--connection", name, *prices)

    def add_key_under_four_budgets(self) -> str:
        """Put one ample budget each on organisation, unit, team and key in place of all others; return the key."""
        for budget in self.run("budgets", "list"):
            self.run("budgets", "retire", str(budget["id"]))
        (unit,) = {team["unit"] for team in self.run("teams", "list") if team["name"] == _TEAM}
        for level, scope in (("organisation", ()), ("unit", ("--unit", unit)), ("team", ("--team", _TEAM))):
            self.run("budgets", "set", f"bench {level}", "--limit", _AMPLE_USD, *scope)
        return str(self.run("keys", "issue", "--team", _TEAM, "--budget", _AMPLE_USD)["key"])
