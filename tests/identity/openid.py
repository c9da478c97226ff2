"""A real OpenID provider on this machine, whose tokens a test can spoil as an attacker would."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import flask
import httpx
import jwt
from django.test import Client
from oidc_provider_mock._app import app as provider_app
from oidc_provider_mock._server import _threaded_server

Spoil = Callable[[dict[str, Any]], str | dict[str, Any]]


@dataclass
class OpenIdProvider:
    """Its address; `spoil` turns the claims of the next tokens into others, or into a whole token."""

    issuer: str
    spoil: Spoil | None = None
    metadata: dict[str, Any] | None = None
    last_exchange: dict[str, str] | None = None
    _key: dict[str, Any] | None = None

    def sign(self, claims: dict[str, Any]) -> str:
        """Sign as the provider does."""
        assert self._key is not None
        key = jwt.PyJWK.from_dict(self._key)
        return jwt.encode(claims, key.key, algorithm="RS256", headers={"kid": self._key["kid"]})

    def set_user(self, subject: str, **claims: Any) -> None:
        """Make somebody, or change what is said of them."""
        httpx.put(f"{self.issuer}/users/{subject}", json=claims).raise_for_status()

    def answer(self, client: Client, slug: str, subject: str, **query: str) -> str:
        """Begin to log in and agree at the provider; return the address to which the browser is sent back."""
        begun = client.get(f"/account/oidc/{slug}/login/", query)
        agreed = httpx.post(begun["Location"], data={"sub": subject})
        assert agreed.status_code == 302, agreed.text
        return agreed.headers["Location"]

    def log_in(self, client: Client, slug: str, subject: str) -> Any:
        """Log in as this subject; return the answer of the console."""
        return client.get(path_of(self.answer(client, slug, subject)))


def path_of(address: str) -> str:
    """Return an address without its host."""
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


def query_of(address: str) -> dict[str, str]:
    """Return the query of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


@contextmanager
def running_provider() -> Iterator[OpenIdProvider]:
    """Run one, on a port of its own."""
    application = provider_app(require_nonce=True)
    provider = OpenIdProvider(issuer="")

    @application.after_request
    def spoil(response: flask.Response) -> flask.Response:
        provider._key = flask.g.oidc_provider_mock_storage.jwk.as_dict(is_private=True)
        if flask.request.path.endswith("openid-configuration") and provider.metadata:
            response.set_data(json.dumps(response.get_json() | provider.metadata))
        if flask.request.path == "/oauth2/token":
            provider.last_exchange = dict(flask.request.form)
            if provider.spoil is not None and response.status_code == 200:
                body = response.get_json()
                claims = jwt.decode(body["id_token"], options={"verify_signature": False})
                spoilt = provider.spoil(claims)
                body["id_token"] = spoilt if isinstance(spoilt, str) else provider.sign(spoilt)
                response.set_data(json.dumps(body))
        return response

    with _threaded_server(application) as server:
        provider.issuer = f"http://localhost:{server.server_port}"
        yield provider
