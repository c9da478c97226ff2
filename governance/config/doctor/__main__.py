"""`python -m governance.config.doctor`: what `bursar doctor` runs."""

import argparse
import os
import sys
from collections.abc import Iterator

import msgspec

from governance.config.doctor.database import check_database
from governance.config.doctor.finding import Finding, Health, bad
from governance.config.doctor.machine import check_machine
from governance.core.environment import EnvironmentInvalid, read_environment

_MARKS = {Health.GOOD: "ok  ", Health.NOTE: "note", Health.BAD: "BAD "}
_EPILOG = """
Exit code: 0 when nothing is bad, 1 otherwise. Nothing is changed.

example:
  bursar doctor --json
"""


def main() -> int:
    """Print the report and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="bursar doctor",
        description="Look at this installation and say what is wrong and how to mend it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print a list of findings for scripts")
    options = parser.parse_args()
    findings = list(_findings())
    text = msgspec.json.encode(findings).decode() if options.json else "\n".join(map(_line, findings))
    print(text)  # noqa: T201
    return 1 if any(finding.health is Health.BAD for finding in findings) else 0


def _findings() -> Iterator[Finding]:
    try:
        environment = read_environment(os.environ)
    except EnvironmentInvalid as error:
        yield bad("environment", str(error), "Correct the variable and ask again.")
        return
    yield from check_machine(environment)
    yield from check_database(environment)


def _line(finding: Finding) -> str:
    remedy = f"\n      {'':<9} -> {finding.remedy}" if finding.remedy else ""
    return f"{_MARKS[finding.health]}  {finding.subject:<9} {finding.words}{remedy}"


if __name__ == "__main__":
    sys.exit(main())
