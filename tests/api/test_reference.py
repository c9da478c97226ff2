"""The OpenAPI document and its page say what the API does."""

import json
import re

import pytest
from django.test import Client
from jsonschema import Draft202012Validator

from governance.api.reference import document
from governance.tokens.scopes import AREAS
from tests.api.world import operations


def test_the_document_is_for_anybody_and_names_every_operation(client: Client) -> None:
    answer = client.get("/api/v1/openapi.json")
    found = json.loads(answer.content)

    assert (answer.status_code, found["openapi"]) == (200, "3.1.0")
    named = {
        f"{method.upper()} {re.sub(r'{[a-z_]+}', '{}', path.removeprefix('/api/v1/'))}"
        for path, said in found["paths"].items()
        for method in said
    }
    assert named == {re.sub(r"<\w+:\w+>", "{}", str(each)) for each in operations()}
    everything = [said for path in found["paths"].values() for said in path.values()]
    assert len({said["operationId"] for said in everything}) == len(everything)
    assert {tag for said in everything for tag in said["tags"]} <= set(AREAS)
    assert all(said["summary"].endswith((".", ":")) for said in everything)
    assert all("4XX" in said["responses"] for said in everything)


def test_every_body_has_an_example_that_its_schema_allows() -> None:
    schemas = document()["components"]["schemas"]
    examples = 0
    for path, said in document()["paths"].items():
        for method, operation in said.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is None:
                continue
            [example] = content["examples"].values()
            schema = content["schema"] | {"components": {"schemas": schemas}}
            assert list(Draft202012Validator(schema).iter_errors(example["value"])) == [], (method, path)
            examples += 1
    assert examples > 30


@pytest.mark.parametrize("said", ["/api/v1/keys/{key_id}/rotate", "KeyShape", "prompts:read", "/api/v1/openapi.json"])
def test_the_page_shows_every_address_without_script_or_style_of_its_own(client: Client, said: str) -> None:
    answer = client.get("/api/v1/")
    text = answer.content.decode()

    assert answer.status_code == 200
    assert said in text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert " style=" not in text
    assert " onclick=" not in text
