"""The OpenAPI document, and a page that people read; and what is nowhere."""

import functools
import json
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

from governance.api.errors import PROBLEM_TYPE, problem
from governance.tokens.scopes import AREAS


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    """Answer with the OpenAPI document: it says nothing about this installation."""
    return JsonResponse(document())


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Show every address, what it takes, and what it answers."""
    return render(request, "api/reference.html", {"areas": _areas(), "shapes": _shapes()})


@csrf_exempt
def nowhere(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Say that there is no such address."""
    detail = "The API has no such address: /api/v1/openapi.json lists those it has. They end without a slash."
    return JsonResponse(problem(status=404, code="not_found", detail=detail), status=404, content_type=PROBLEM_TYPE)


@functools.cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    made: dict[str, Any] = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return made


def _areas() -> list[dict[str, Any]]:
    """Return the operations by area, as the page shows them."""
    shown = document()
    areas: dict[str, list[dict[str, Any]]] = {name: [] for name in AREAS}
    for path, operations in shown["paths"].items():
        for method, operation in operations.items():
            areas[operation["tags"][0]].append(_operation(path, method, operation, shown["components"]["schemas"]))
    return [{"name": name, "words": AREAS[name], "operations": rows} for name, rows in areas.items() if rows]


def _shapes() -> list[dict[str, Any]]:
    schemas = document()["components"]["schemas"]
    return [
        {"name": name, "words": schema.get("description", ""), "fields": _fields(schema, schemas)}
        for name, schema in schemas.items()
        if "properties" in schema
    ]


def _operation(path: str, method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    examples = [example["value"] for example in body.get("examples", {}).values()]
    answers = {
        status: _fields(_answer_schema(said), schemas)
        for status, said in operation["responses"].items()
        if status.startswith("2")
    }
    return {
        "name": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation.get("summary", ""),
        "description": operation.get("description", ""),
        "parameters": [each for each in operation.get("parameters", []) if each["in"] == "query"],
        "takes": _fields(body.get("schema", {}), schemas),
        "example": json.dumps(examples[0], indent=2) if examples else "",
        "answers": [{"status": status, "fields": fields} for status, fields in answers.items()],
    }


def _answer_schema(said: dict[str, Any]) -> dict[str, Any]:
    for content in said.get("content", {}).values():
        return dict(content.get("schema", {}))
    return {}


def _fields(schema: dict[str, Any], schemas: dict[str, Any]) -> list[dict[str, Any]]:
    named = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
    required = named.get("required", [])
    return [
        {
            "name": name,
            "type": _type(field),
            "is_required": name in required,
            "words": field.get("description", ""),
        }
        for name, field in named.get("properties", {}).items()
    ]


def _type(field: dict[str, Any]) -> str:
    """Return the type in a word or two: "integer or null", "list of BudgetShape"."""
    if "$ref" in field:
        return str(field["$ref"].rpartition("/")[2])
    for name in ("oneOf", "anyOf", "allOf"):
        if name in field:
            return " or ".join(_type(each) for each in field[name])
    kind = field.get("type", "")
    if kind == "array":
        return f"list of {_type(field['items'])}"
    if "enum" in field:
        return " | ".join("null" if each is None else str(each) for each in field["enum"])
    return " or ".join(kind) if isinstance(kind, list) else f"{kind} ({field['format']})" if "format" in field else kind
