"""Schemathesis reads the OpenAPI document and sends what it allows and what it does not: nothing may fail inside, and
every answer must be as the document says. `make api-fuzz` does it for longer (API_FUZZ_EXAMPLES per operation).
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from governance.api.reference import document
from tests.api.conftest import Ask
from tests.api.world import names
from tests.console.demo import Company

_EXAMPLES = int(os.environ.get("API_FUZZ_EXAMPLES", "2"))
_SEED = int(os.environ.get("API_FUZZ_SEED", "0"))
_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
]
_MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


def _with_known(value: Any, known: dict[str, Any]) -> Any:
    """Return the body with ids of what there is, wherever it names something."""
    if isinstance(value, dict):
        return {name: known.get(name, _with_known(inner, known)) for name, inner in value.items()}
    return [_with_known(each, known) for each in value] if isinstance(value, list) else value


def _complaint(operation: APIOperation, mode: GenerationMode, headers: dict[str, str], known: dict[str, Any]) -> str:
    """Send what is made of one operation; return what was wrong with it, and nothing if nothing was."""

    @seed(_SEED)
    @settings(
        max_examples=_EXAMPLES,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), is_known=st.booleans())
    def send(case: Any, is_known: bool) -> None:
        if is_known and mode is GenerationMode.POSITIVE:
            case.path_parameters = {name: known.get(name, value) for name, value in case.path_parameters.items()}
            if isinstance(case.body, dict):
                case.body = _with_known(case.body, known)
        with transaction.atomic():
            answer = case.call(headers=headers)
            transaction.set_rollback(True)
        case.validate_response(answer, checks=_CHECKS)

    try:
        send()
    except FailureGroup as group:
        return "\n".join(f"{each}: {each.message[:200]}" for each in group.exceptions)
    return ""


@pytest.fixture
def application() -> Iterator[WSGIHandler]:
    """The console, with the connection to the database left open between requests, as Django's own test client does."""
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield get_wsgi_application()
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


@pytest.mark.filterwarnings("ignore")
def test_nothing_fails_inside_and_every_answer_is_as_the_document_says(
    busy_company: Company, api: Ask, application: WSGIHandler
) -> None:
    schema = schemathesis.openapi.from_dict(document())
    schema.app = application
    known = {name: str(value) if name == "attempt_id" else value for name, value in names(busy_company).items()}
    headers = {"Authorization": f"Bearer {api('admin', 'all:write', 'prompts:read').text}"}

    complaints = [
        f"{operation.label} ({mode.value}): {found}"
        for operation in (result.ok() for result in schema.get_all_operations())
        for mode in _MODES
        if (found := _complaint(operation, mode, headers, known))
    ]

    assert not complaints, "\n\n".join(complaints)
