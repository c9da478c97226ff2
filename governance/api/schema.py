"""The OpenAPI document: one AutoSchema for every address, and what all operations have in common."""

import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers

from governance.api.errors import PROBLEM_TYPE
from governance.api.idempotency import HEADER

_H = TypeVar("_H", bound=Callable[..., Any])
_ONCE = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Your own name of this change, such as a UUID. Sent again within a day, the same request is answered "
    "as it was the first time, and not done again.",
    pattern=r"^[\x21-\x7e]{1,255}$",
)
_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag that you read: the change is refused with 412 if it is not the present one any more.",
    pattern=r"^[\x21-\x7e]{1,200}$",
)
_PROBLEM = {
    "type": "object",
    "description": "What went wrong, and the remedy (RFC 9457).",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable: match on it."},
        "detail": {"type": "string", "description": "Whole sentences for whoever must act."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
    "example": {
        "type": "urn:bursar:error:not_found",
        "title": "Not found",
        "status": 404,
        "code": "not_found",
        "detail": "There is nothing here, or nothing that you may know of.",
    },
}


class Schema(AutoSchema):
    """Takes the words from docstrings, the tag from the area, and the name from method and path."""

    def get_operation_id(self) -> str:
        """Return a name that is stable as long as the path is."""
        path = re.sub(r"\{(\w+)\}", r"by_\1", self.path.removeprefix("/api/v1/"))
        return f"{self.method.lower()}_{re.sub(r'[^a-z_]+', '_', path)}"

    def get_tags(self) -> list[str]:
        """Return the area."""
        return [str(getattr(self.view, "area", ""))]

    def get_summary(self) -> str:
        """Return the first line of the docstring."""
        return self._words()[0]

    def get_description(self) -> str:  # type: ignore[override] # as drf-spectacular calls it
        """Return the rest of it."""
        return self._words()[1]

    def _words(self) -> tuple[str, str]:
        handler = getattr(self.view, self.method.lower())
        summary, _, rest = (inspect.getdoc(handler) or "").partition("\n")
        return summary, rest.strip()


class _TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # registers itself
    target_class = "governance.api.caller.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Describe the header."""
        return {"type": "http", "scheme": "bearer", "description": "A token that `bursar token issue` made: bst_..."}


def described(
    *,
    answer: Any = None,
    body: type[serializers.Serializer[Any]] | None = None,
    query: type[serializers.Serializer[Any]] | None = None,
    status: int = 200,
    example: Any = None,
    is_versioned: bool = False,
    is_reading: bool = False,
) -> Callable[[_H], _H]:
    """Say what a handler takes and answers. `example` is one of its body; `is_versioned`: it heeds If-Match.

    `is_reading`: it changes nothing, although it is no GET.
    """

    def describe(handler: _H) -> _H:
        headers = [] if is_reading or handler.__name__ == "get" else [_ONCE]
        described_handler: _H = extend_schema(
            request=body,
            responses=answer if isinstance(answer, dict) else {status: answer},
            parameters=[*([query] if query else []), *headers, *([_MATCH] if is_versioned else [])],
            examples=[OpenApiExample("example", value=example, request_only=True)] if example is not None else None,
        )(handler)
        return described_handler

    return describe


def paged(shape: type[serializers.Serializer[Any]]) -> Any:
    """Return the shape of a page of these."""
    return inline_serializer(
        name=f"{shape.__name__.removesuffix('Shape')}Page",
        fields={
            "data": shape(many=True),
            "next": serializers.CharField(allow_null=True, help_text="`after` of the next page; null on the last."),
        },
    )


def finish(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add problems to every operation, and say that bodies have no other fields."""
    schemas = result["components"]["schemas"]
    schemas["Problem"] = _PROBLEM
    failed = {
        "description": "What went wrong, and the remedy.",
        "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"] |= {"4XX": failed, "5XX": failed}
            for content in operation.get("requestBody", {}).get("content", {}).values():
                _close(content["schema"], schemas)
    return result


def _close(schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    if "$ref" in schema:
        _close(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    elif schema.get("type") == "object" and "properties" in schema:
        schema["additionalProperties"] = False
        for inner in schema["properties"].values():
            _close(inner, schemas)
    elif "items" in schema:
        _close(schema["items"], schemas)
    for inner in (*schema.get("allOf", ()), *schema.get("oneOf", ())):
        _close(inner, schemas)
