"""Calling the API as somebody."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.test import Client

from governance.audit.operations import Actor
from governance.core.clock import utc_now
from governance.tokens.models import Token
from governance.tokens.operations import NewToken, issue
from tests.console.demo import Company

SERVICE = "service"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: Any
    content: bytes

    def __getitem__(self, name: str) -> Any:
        return self.body[name]


@dataclass(frozen=True)
class Api:
    """The API with one token."""

    text: str
    token: Token | None = None

    def __call__(self, method: str, address: str, body: Any = None, **headers: str) -> Answer:
        """Call an address below /api/v1/; headers are written with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.text:
            sent["Authorization"] = f"Bearer {self.text}"
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        response = _client().generic(
            method, f"/api/v1/{address}", content, content_type="application/json", headers=sent
        )
        read = response.content
        is_json = response.headers.get("Content-Type", "").endswith("json")
        return Answer(response.status_code, json.loads(read) if is_json and read else None, response.headers, read)


@cache
def _client() -> Client:
    """One for all: each loads every middleware anew."""
    return Client(raise_request_exception=False)


def api_of(company: Company, name: str, scopes: Sequence[str]) -> Api:
    """Return the API as somebody of the company, or as a service of it."""
    new = NewToken(
        organisation_id=company.organisation.pk,
        name=name,
        scopes=scopes,
        user_id=None if name == SERVICE else company.person(name).pk,
    )
    issued = issue(actor=Actor(name="test"), at=utc_now(), pepper=settings.ENVIRONMENT.key_pepper, new=new)
    return Api(issued.text, issued.token)
