"""What every address of the API shares: the token, its scope, one transaction for a change, problems for errors."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, ClassVar, TypeVar, cast

from django.db import transaction
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.caller import Caller, TokenAuthentication, caller_of
from governance.api.errors import Changed, render
from governance.api.idempotency import answer_once
from governance.api.strictness import refuse_other_types
from governance.tokens.scopes import READ, WRITE

_ENTITY_TAGS = re.compile(r"[\x21-\x7e]{1,200}")
_READING = frozenset({"GET", "HEAD"})
_H = TypeVar("_H", bound=Callable[..., Response])


class StrictParser(JSONParser):
    """JSON, and a sentence for what is none."""

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return what the body says."""
        try:
            return super().parse(stream, media_type, parser_context)
        except (ParseError, RecursionError) as error:
            raise ParseError("The body is no JSON that can be read: send an object, encoded as UTF-8.") from error


class ApiView(APIView):
    """One address. `area` is that of its scopes; `reads_by` names methods that only read though they are no GET."""

    area: ClassVar[str]
    reads_by: ClassVar[frozenset[str]] = frozenset()
    needs_scope: ClassVar[bool] = True

    authentication_classes = (TokenAuthentication,)
    permission_classes = ()
    throttle_classes = ()
    renderer_classes: Sequence[type[BaseRenderer]] = (JSONRenderer,)
    parser_classes = (StrictParser,)
    metadata_class = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let nobody in whose token is not for this."""
        super().initial(request, *args, **kwargs)
        if self.needs_scope and request.method in self.allowed_methods:
            is_reading = request.method in _READING | self.reads_by
            self.caller.ensure_scope(area=self.area, verb=READ if is_reading else WRITE)

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response]:
        """Return what makes problems of errors."""
        return render

    @property
    def caller(self) -> Caller:
        """Who calls."""
        return caller_of(self.request)


class Body(serializers.Serializer[Any]):
    """What a body or a query may hold. A field that is not known is refused: a typo changes nothing silently."""

    def to_internal_value(self, data: Any) -> Any:
        """Refuse what is not known."""
        if hasattr(data, "keys"):
            unknown = sorted(set(data.keys()) - set(self.fields))
            if unknown:
                known = ", ".join(self.fields) or "none"
                raise serializers.ValidationError(
                    {str(name)[:64]: f"There is no such field. The fields are: {known}." for name in unknown[:10]}
                )
        return super().to_internal_value(data)


class Shape(serializers.Serializer[Any]):
    """What an answer holds."""


def read_body(shape: type[Body], request: Request) -> dict[str, Any]:
    """Return what the body says. Raises ValidationError."""
    body = shape(data=request.data)
    body.is_valid(raise_exception=True)
    refuse_other_types(body, request.data)
    return dict(body.validated_data)


def read_query(shape: type[Body], request: Request) -> dict[str, Any]:
    """Return what the query says. Raises ValidationError."""
    given = request.query_params
    if repeated := [name for name, values in given.lists() if len(values) > 1]:
        raise serializers.ValidationError({name[:64]: "Give this once." for name in repeated[:10]})
    # As plain values: of a form, which a query would be taken for, empty ones count as left out.
    query = shape(data=given.dict())
    query.is_valid(raise_exception=True)
    return dict(query.validated_data)


def changes(handler: _H) -> _H:
    """Run a handler in one transaction with whatever it changes, and once for an Idempotency-Key."""

    @wraps(handler)
    def once(view: ApiView, request: Request, **arguments: object) -> Response:
        with transaction.atomic():
            return answer_once(request=request, caller=view.caller, make=lambda: handler(view, request, **arguments))

    return cast(_H, once)


def version(*parts: object) -> str:
    """Return the entity tag of something that has these changeable parts."""
    return '"' + hashlib.sha256(repr(parts).encode()).hexdigest()[:32] + '"'


def ensure_unchanged(request: Request, current: str) -> None:
    """Raise Changed where If-Match names another version than the present one."""
    wanted = request.headers.get("If-Match")
    if wanted is not None and not _ENTITY_TAGS.fullmatch(wanted):
        raise serializers.ValidationError({"If-Match": "Give the ETag that you read, or several with commas, or *."})
    if wanted is not None and wanted.strip() != "*" and current not in [each.strip() for each in wanted.split(",")]:
        raise Changed("Somebody else changed it meanwhile: read it again, and decide whether your change still fits.")
