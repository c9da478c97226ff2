"""Filling a database by the hundred thousand, in SQL, as its owner: the commands make one thing at a time."""

from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from governance.config.postgres import EmbeddedPostgres
from governance.config.secrets_file import read_secrets
from governance.config.supervisor.home import SUPERUSER_PASSWORD
from governance.connections.sealing import seal
from governance.core.environment import read_environment
from governance.keys.secret import make_secret
from tests.bench.admission import Payer

_AMPLE_NANO = 10**18
_PRICES = {"input": "2500", "output": "10000"}
_WINDOWS = ("day", "week", "month", "total")

_MANY_KEYS = """
WITH made AS (
    INSERT INTO keys_virtualkey (organisation_id, team_id, name, default_tags)
    SELECT %(organisation)s, %(team)s, 'filler ' || number, '{}' FROM generate_series(1, %(count)s) AS number
    RETURNING id
)
INSERT INTO keys_keysecret (key_id, public_id, digest)
SELECT id, 'filler' || id, sha256(id::text::bytea) FROM made
"""
_COPY_RECORDS = """
INSERT INTO ledger_usagerecord ({columns})
SELECT {values} FROM (SELECT * FROM ledger_usagerecord WHERE alias = %s LIMIT 1) AS record,
                     generate_series(1, %s)
"""


class Seeding:
    """One organisation of the bench's own, with a model whose upstream is local."""

    def __init__(self, home: Path) -> None:
        self._environment = read_environment({"BURSAR_HOME": str(home)})
        url = self._environment.database_url("owner")
        self._owner = psycopg.connect(url, autocommit=True, row_factory=dict_row)
        self._organisation = self._insert("teams_organisation", name="Bench", zone="UTC")
        self._unit = self._insert("teams_businessunit", organisation_id=self._organisation, name="Bench")
        self._book = self._insert("catalog_pricebook", name="bench", rank=1, source="bench", snapshot_sha256="")
        self._sold: dict[str, int] = {}
        self._cost_centre = self._insert("teams_costcentre", organisation_id=self._organisation, code="bench", name="")

    def close(self) -> None:
        """Close the connection."""
        self._owner.close()

    def add_model(self, name: str, upstream_port: int) -> None:
        """Sell the local upstream under this alias; `payer` books on the model that was added last."""
        connection = self._insert(
            "connections_connection", organisation_id=self._organisation, name=name, provider="openai_compatible",
            base_url=f"http://127.0.0.1:{upstream_port}/v1", options="{}", is_enabled=True,
        )  # fmt: skip
        sealed = seal("of-no-value", connection_id=connection, keys=self._environment.sealing_keys)
        self._insert(
            "connections_sealedcredential", connection_id=connection, sealing_key=sealed.key_id,
            nonce=sealed.nonce, ciphertext=sealed.ciphertext,
        )  # fmt: skip
        model = self._insert(
            "catalog_languagemodel", provider="bench", name=name, title=name, max_output_tokens=4096, successor="",
            source="manual",
        )  # fmt: skip
        self._add_prices(model)
        deployment = self._insert(
            "catalog_deployment", model_id=model, connection_id=connection, upstream_name=name, region="",
            is_enabled=True,
        )  # fmt: skip
        alias = self._insert("catalog_modelalias", organisation_id=self._organisation, name=name)
        self._insert("catalog_aliastarget", alias_id=alias, deployment_id=deployment, position=0)
        self._sold = {"model_id": model, "deployment_id": deployment, "connection_id": connection}

    def add_team(self, name: str, *, budgets: int) -> int:
        """Add a team with so many budgets, all of which lie on the path of its calls."""
        team = self._insert(
            "teams_team", organisation_id=self._organisation, unit_id=self._unit, cost_centre_id=self._cost_centre,
            name=name, required_tags=[],
        )  # fmt: skip
        for number in range(budgets):
            self._insert(
                "budgets_budget", organisation_id=self._organisation, team_id=team, name=f"{name} {number}",
                model_pattern="", window=_WINDOWS[number % len(_WINDOWS)], zone="UTC", first_month=1,
                enforcement="hard", limit_nano=_AMPLE_NANO,
            )  # fmt: skip
        return team

    def add_keys(self, team: int, count: int) -> list[str]:
        """Issue keys that can be used, and return their texts."""
        texts = []
        for _ in range(count):
            secret = make_secret()
            key = self._insert(
                "keys_virtualkey", organisation_id=self._organisation, team_id=team, name=f"key {secret.public_id}",
                default_tags="{}",
            )  # fmt: skip
            digest = secret.digest(pepper=self._environment.key_pepper)
            self._insert("keys_keysecret", key_id=key, public_id=secret.public_id, digest=digest)
            texts.append(secret.text())
        return texts

    def payer(self, team: int) -> Payer:
        """Return what a call of a new key of the team is booked on."""
        key = self._insert("keys_virtualkey", organisation_id=self._organisation, team_id=team, name="payer",
                           default_tags="{}")  # fmt: skip
        return Payer(
            organisation_id=self._organisation, unit_id=self._unit, cost_centre_id=self._cost_centre, team_id=team,
            key_id=key, **self._sold,
        )  # fmt: skip

    def fill_keys(self, team: int, total: int) -> None:
        """Add keys that nobody uses until there are so many."""
        row = self._owner.execute("SELECT count(*) AS count FROM keys_virtualkey").fetchone()
        missing = total - (int(row["count"]) if row else 0)
        arguments = {"organisation": self._organisation, "team": team, "count": max(0, missing)}
        with psycopg.connect(self._superuser_url()) as session:
            # Neither a message per key, which would tell gateways of keys that they do not hold, nor a look at what
            # each row refers to, which takes most of the time.
            session.execute("SET LOCAL session_replication_role = replica")
            session.execute(_MANY_KEYS, arguments)
        self._owner.execute("ANALYZE keys_virtualkey, keys_keysecret")

    def fill_usage_rows(self, alias: str, count: int) -> None:
        """Copy one usage record of this alias so many times, each under an id of its own."""
        rows = self._owner.execute(
            "SELECT column_name AS name FROM information_schema.columns WHERE table_name = 'ledger_usagerecord'"
        ).fetchall()
        names = [row["name"] for row in rows]
        values = [
            sql.SQL("gen_random_uuid()") if name in ("attempt_id", "request_id")
            else sql.SQL("'filler'") if name == "alias"
            else sql.Identifier(name)
            for name in names
        ]  # fmt: skip
        statement = sql.SQL(_COPY_RECORDS).format(
            columns=sql.SQL(", ").join(map(sql.Identifier, names)), values=sql.SQL(", ").join(values)
        )
        self._owner.execute(statement, (alias, count))
        self._owner.execute("ANALYZE ledger_usagerecord")

    def _superuser_url(self) -> str:
        password = read_secrets(self._environment.home)[SUPERUSER_PASSWORD]
        server = EmbeddedPostgres(self._environment.home, superuser_password=password)
        server.prepare()
        return server.url(database=self._owner.info.dbname)

    def _add_prices(self, model: int) -> None:
        for token_class, nano in _PRICES.items():
            self._insert(
                "catalog_price", book_id=self._book, model_id=model, token_class=token_class, nano_per_unit=nano,
                from_input_tokens=0, service_tier="standard", effective_from="2026-01-01T00:00:00Z", source="bench",
                snapshot_sha256="",
            )  # fmt: skip

    def _insert(self, table: str, **columns: object) -> int:
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        places = sql.SQL(", ").join([sql.Placeholder()] * len(columns))
        query = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING *").format(sql.Identifier(table), names, places)
        row = self._owner.execute(query, tuple(columns.values())).fetchone()
        assert row is not None
        return int(row.get("id") or 0)
