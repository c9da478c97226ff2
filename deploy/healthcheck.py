"""Whether a process of Bursar does its work: `healthcheck.py gateway|console|worker|beat`; exit code 0 or 1.

Gateway and console are asked over HTTP; worker and beat by the sign of life that they leave in the database.
"""

import http
import http.client
import os
import sys

import psycopg

from governance.core.environment import EnvironmentInvalid, read_environment

_ANSWER_SECONDS = 2
_SILENCE_SECONDS = 120
_SIGN_OF_LIFE = """
SELECT clock_timestamp() - beaten_at < make_interval(secs => %s) FROM config_heartbeat WHERE name = %s
"""


def answers(port: int) -> bool:
    """Return whether the process on this port says that it may be sent requests."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/readyz", headers={"Host": "localhost"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def gave_sign_of_life(name: str, url: str) -> bool:
    """Return whether this background process did something lately, by the database's clock."""
    try:
        with psycopg.connect(url, connect_timeout=_ANSWER_SECONDS) as session:
            row = session.execute(_SIGN_OF_LIFE, [_SILENCE_SECONDS, name]).fetchone()
    except psycopg.Error:
        return False
    return row is not None and bool(row[0])


def main(arguments: list[str]) -> int:
    """Check the one process that is named."""
    try:
        environment = read_environment(os.environ)
        checks = {
            "gateway": lambda: answers(environment.gateway_port),
            "console": lambda: answers(environment.console_port),
            "worker": lambda: gave_sign_of_life("worker", environment.database_url("worker")),
            "beat": lambda: gave_sign_of_life("beat", environment.database_url("worker")),
        }
        if len(arguments) != 1 or arguments[0] not in checks:
            print(f"usage: healthcheck.py {'|'.join(checks)}", file=sys.stderr)  # noqa: T201
            return 2
        return 0 if checks[arguments[0]]() else 1
    except EnvironmentInvalid as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
