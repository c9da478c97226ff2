"""The catalogue as the request path sees it: SQL through psycopg, plain structs, no Django."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from governance.catalog.lifecycle import Dates
from governance.catalog.rating import PriceLine
from governance.plugin.usage import TokenClass


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """One model that has a deployment."""

    id: int
    provider: str
    name: str
    max_output_tokens: int | None
    successor: str
    bounds: dict[str, int]
    dates: Dates


class TargetRow(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment behind an alias. Without a usable one the alias still exists: `deployment_id` is None."""

    organisation_id: int
    alias: str
    alias_created_at: datetime
    deployment_id: int | None
    model_id: int | None
    connection_id: int | None
    upstream_name: str | None
    region: str | None
    weight: int | None
    routing: str
    leaves_own: bool


_MODELS = """
    SELECT m.id, m.provider, m.name, m.max_output_tokens, m.successor, m.bounds,
           m.announced_on, m.preview_on, m.released_on, m.deprecated_on, m.retires_on
      FROM catalog_languagemodel m
     WHERE EXISTS (SELECT FROM catalog_deployment d WHERE d.model_id = m.id AND d.is_enabled)
"""
_TARGETS = """
    SELECT a.organisation_id, a.name, a.created_at, d.id, d.model_id, d.connection_id, d.upstream_name, d.region,
           t.weight, a.routing, a.leaves_own
      FROM catalog_modelalias a
      LEFT JOIN (catalog_aliastarget t JOIN catalog_deployment d ON d.id = t.deployment_id AND d.is_enabled)
             ON t.alias_id = a.id
     ORDER BY a.organisation_id, a.name, t.position
"""
# Where several books price a model, the one with the lowest rank decides for the whole model.
PRICES = """
    SELECT model_id, id, token_class, nano_per_unit, from_input_tokens, service_tier, effective_from, effective_to,
           hours
      FROM (SELECT p.*, b.rank, min(b.rank) OVER (PARTITION BY p.model_id) AS deciding_rank
              FROM catalog_price p JOIN catalog_pricebook b ON b.id = p.book_id
             WHERE p.model_id = ANY(%(model_ids)s)) priced
     WHERE rank = deciding_rank
"""


async def load_models(connection: AsyncConnection[TupleRow]) -> tuple[ModelRow, ...]:
    """Return the models that can be called at all."""
    cursor = await connection.execute(_MODELS)
    rows = await cursor.fetchall()
    return tuple(_model_row(*row) for row in rows)


async def load_targets(connection: AsyncConnection[TupleRow]) -> tuple[TargetRow, ...]:
    """Return every alias with its enabled deployments, in the order they are tried."""
    cursor = await connection.execute(_TARGETS)
    rows = await cursor.fetchall()
    return tuple(TargetRow(**dict(zip(TargetRow.__struct_fields__, row, strict=True))) for row in rows)


async def load_prices(connection: AsyncConnection[TupleRow], *, model_ids: Sequence[int]) -> dict[int, list[PriceLine]]:
    """Return all dated prices of these models, from the book that decides for each."""
    cursor = await connection.execute(PRICES, {"model_ids": list(model_ids)})
    return price_lines(await cursor.fetchall())


def price_lines(rows: Iterable[tuple[Any, ...]]) -> dict[int, list[PriceLine]]:
    """Return the rows of `PRICES` by model."""
    prices: dict[int, list[PriceLine]] = {}
    for model_id, *price in rows:
        prices.setdefault(model_id, []).append(_price_line(price))
    return prices


def _model_row(*row: Any) -> ModelRow:
    fields = ModelRow.__struct_fields__[:-1]
    return ModelRow(**dict(zip(fields, row, strict=False)), dates=Dates(*row[len(fields) :]))


def _price_line(row: list[Any]) -> PriceLine:
    fields = dict(zip(PriceLine.__struct_fields__, row, strict=True))
    return PriceLine(**fields | {"token_class": TokenClass(fields["token_class"])})
