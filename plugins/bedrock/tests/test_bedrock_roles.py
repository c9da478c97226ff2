"""A role: the exchange is what AWS's own client would send and read, and no secret is told."""

import json
from urllib.parse import parse_qsl, urlencode

import pytest
from botocore import parsers, serialize
from botocore.session import get_session
from bursar_plugin_bedrock import Bedrock

from governance.plugin import ConnectionInvalid, ConnectionSettings, TokenGrant, Wire
from tests.support.aws import KEYS, ROLE, TEMPORARY, assumed, signed_for

PROVIDER = Bedrock()
OPERATION = "AssumeRole"


def connection(credential: str = json.dumps(KEYS), **options: str) -> ConnectionSettings:
    return ConnectionSettings(
        id=7, name="aws", base_url=PROVIDER.default_base_url, credential=credential, options=options
    )


def granted(**options: str) -> TokenGrant:
    grant = PROVIDER.token_grant(connection=connection(role=ROLE, **options))
    assert grant is not None and grant.exchange is not None
    return grant


def test_the_form_is_the_one_of_awss_own_client_and_is_signed_with_the_connections_keys() -> None:
    grant = granted(external_id="acme", region="eu-central-1")
    asked = {"RoleArn": ROLE, "RoleSessionName": "bursar-7", "DurationSeconds": 3600, "ExternalId": "acme"}
    operation = get_session().get_service_model("sts").operation_model(OPERATION)
    request = serialize.create_serializer("query").serialize_to_request(asked, operation)
    assert dict(grant.form) == {name: str(value) for name, value in request["body"].items()}
    assert grant.url == "https://sts.eu-central-1.amazonaws.com/"
    body = urlencode(grant.form).encode()
    assert dict(parse_qsl(body.decode())) == grant.form
    headers = dict(grant.exchange.headers(url=grant.url, body=body)) if grant.exchange else {}
    sent = {**headers, "host": "sts.eu-central-1.amazonaws.com"}
    secret = KEYS["secret_access_key"]
    assert signed_for(path="/", headers=sent, body=body, secret=secret, service="sts") == "eu-central-1"


def test_the_temporary_keys_are_those_that_awss_own_client_reads() -> None:
    exchange = granted().exchange
    assert exchange is not None
    body = assumed(TEMPORARY)
    token = exchange.read(body)
    assert token is not None
    operation = get_session().get_service_model("sts").operation_model(OPERATION)
    response = {"body": body, "headers": {}, "status_code": 200}
    read = parsers.create_parser("query").parse(response, operation.output_shape)["Credentials"]
    assert json.loads(token.text) == {
        "access_key_id": read["AccessKeyId"],
        "secret_access_key": read["SecretAccessKey"],
        "session_token": read["SessionToken"],
    }
    assert str(token.lifetime_seconds) == granted().form["DurationSeconds"]
    signed = PROVIDER.upstream(wire=Wire.ANTHROPIC_MESSAGES, connection=connection(token.text, role=ROLE))
    assert signed.is_signed
    assert KEYS["secret_access_key"] not in repr(exchange) + repr(token) + repr(granted())


@pytest.mark.parametrize(
    "body", [b"", b"{}", assumed(TEMPORARY).replace(b"SessionToken", b"Token"), assumed(TEMPORARY) * 2]
)
def test_an_answer_without_keys_is_none(body: bytes) -> None:
    exchange = granted().exchange
    assert exchange is not None and exchange.read(body) is None
    assert exchange.reason(b"<Error><Code>AccessDenied</Code></Error>") == "AccessDenied"
    assert exchange.reason(body) == ""


def test_the_token_service_is_that_of_the_region_the_partition_or_the_connection() -> None:
    china = PROVIDER.token_grant(connection=connection(role=ROLE.replace("arn:aws", "arn:aws-cn"), region="cn-north-1"))
    assert china is not None and china.url == "https://sts.cn-north-1.amazonaws.com.cn/"
    assert granted(sts="https://vpce-1.sts.eu-west-1.vpce.amazonaws.com").url.endswith("vpce.amazonaws.com/")
    assert PROVIDER.token_grant(connection=connection()) is None


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (connection(role="bursar"), "must be a role's ARN"),
        (connection(role=ROLE, external_id="a b"), "one that AWS takes"),
        (connection("an-api-key", role=ROLE), "an API key cannot assume"),
        (connection(external_id="acme"), "none that names it"),
        (connection("{", role=ROLE), "access keys"),
    ],
)
def test_a_role_that_cannot_be_assumed_is_refused(settings: ConnectionSettings, sentence: str) -> None:
    with pytest.raises(ConnectionInvalid, match=sentence):
        PROVIDER.token_grant(connection=settings)
