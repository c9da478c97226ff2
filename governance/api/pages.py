"""Lists by keyset: a page says where the next one begins, whatever is added meanwhile."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, QuerySet
from rest_framework import serializers
from rest_framework.response import Response

from governance.api.base import Body
from governance.api.errors import CursorInvalid

DEFAULT_SIZE = 50
LARGEST_SIZE = 200
_LONGEST_CURSOR = 200
_M = TypeVar("_M", bound=Model)
_T = TypeVar("_T")


class PageQuery(Body):
    """Which page."""

    limit = serializers.IntegerField(
        min_value=1, max_value=LARGEST_SIZE, default=DEFAULT_SIZE, help_text="How many at most."
    )
    after = serializers.CharField(
        required=False,
        max_length=_LONGEST_CURSOR,
        help_text="The `next` of the page before; without it the first.",
    )


@dataclass(frozen=True)
class Page(Generic[_T]):
    """Some rows, and the cursor of the next page; None on the last one."""

    rows: Sequence[_T]
    next: str | None


def page_by_id(rows: QuerySet[_M], query: dict[str, Any]) -> Page[_M]:
    """Return one page of the rows, the newest first. Raises CursorInvalid."""
    if query.get("after"):
        text = open_cursor(query["after"])
        if not text.isascii() or not text.isdigit() or len(text) > len(str(2**63)) - 1:
            raise _invalid()
        rows = rows.filter(pk__lt=int(text))
    return cut(list(rows.order_by("-pk")[: query["limit"] + 1]), query["limit"], lambda row: str(row.pk))


def cut(rows: Sequence[_T], size: int, cursor: Callable[[_T], str]) -> Page[_T]:
    """Return the page of rows that were read with one more than fits."""
    shown = rows[:size]
    return Page(shown, make_cursor(cursor(shown[-1])) if len(rows) > size else None)


def make_cursor(text: str) -> str:
    """Return the text as a cursor."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def open_cursor(cursor: str) -> str:
    """Return the text of a cursor. Raises CursorInvalid."""
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _invalid() from error


def answer(page: Page[Any], shape: type[serializers.Serializer[Any]], rows: Sequence[Any] | None = None) -> Response:
    """Return the page as an answer; `rows` are what stands for its rows, where that is something else."""
    shown = page.rows if rows is None else rows
    return Response({"data": shape(shown, many=True).data, "next": page.next})


def _invalid() -> CursorInvalid:
    return CursorInvalid("`after` is no cursor of a page: take it from the `next` of the page before, unchanged.")
