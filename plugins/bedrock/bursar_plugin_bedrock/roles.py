"""Roles: a connection's access keys sign one request to AWS's token service, which gives temporary keys for an hour.

Sources: docs.aws.amazon.com (STS API reference, AssumeRole; IAM user guide, role chaining, which ends after an hour);
the service's model in botocore 1.44.8.
"""

import importlib
import re
from typing import Any, Final

import msgspec

from bursar_plugin_bedrock.credentials import AccessKeys, access_keys
from governance.plugin import ConnectionInvalid, ConnectionSettings, GrantedToken, TokenGrant, Upstream

ROLE_OPTIONS: Final = ("role", "external_id", "sts")
_LIFETIME_SECONDS: Final = 3600
"""As long as the role of a role may be assumed; AWS grants what was asked for or nothing."""
_ROLE: Final = re.compile(r"arn:(aws[a-z-]{0,20}):iam::\d{12}:role/[\w+=,.@/-]{1,600}", re.ASCII)
_EXTERNAL_ID: Final = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_KEYS: Final = (
    ("access_key_id", re.compile(rb"<AccessKeyId>([A-Z0-9]{16,128})</AccessKeyId>")),
    ("secret_access_key", re.compile(rb"<SecretAccessKey>([!-%'-;=?-~]{1,1024})</SecretAccessKey>")),
    ("session_token", re.compile(rb"<SessionToken>([!-%'-;=?-~]{1,12000})</SessionToken>")),
)
"""Each stands once in an answer, between its tags; no character of it is one that XML would spell otherwise."""
_CODE: Final = re.compile(rb"<Code>([A-Za-z]{1,64})</Code>")
_FORM: Final = ("content-type", "application/x-www-form-urlencoded")


class RoleExchange(msgspec.Struct, frozen=True):
    """How the token service is asked, and what it answers."""

    keys: AccessKeys
    region: str

    def headers(self, *, url: str, body: bytes) -> tuple[tuple[str, str], ...]:
        """Sign this request with the connection's own keys."""
        asked = Upstream(url=url, headers=(_FORM,))
        return (_FORM, *signer().signature(self.keys, service="sts", region=self.region, upstream=asked, body=body))

    def read(self, body: bytes) -> GrantedToken | None:
        """Return the temporary keys, as JSON, as a credential has them; None where the answer holds none."""
        found = {name: pattern.findall(body) for name, pattern in _KEYS}
        if any(len(values) != 1 for values in found.values()):
            return None
        keys = {name: values[0].decode() for name, values in found.items()}
        return GrantedToken(text=msgspec.json.encode(keys).decode(), lifetime_seconds=_LIFETIME_SECONDS)

    def reason(self, body: bytes) -> str:
        """Return AWS's code of a refusal; empty where it has none."""
        found = _CODE.search(body)
        return "" if found is None else found[1].decode()


def role_grant(connection: ConnectionSettings, *, region: str) -> TokenGrant | None:
    """Describe how the connection's role is assumed; None where it names none. Raises ConnectionInvalid."""
    role, external_id = connection.options.get("role"), connection.options.get("external_id")
    if role is None:
        if external_id is not None or "sts" in connection.options:
            raise ConnectionInvalid(
                f"Connection {connection.name!r} has options for assuming a role, and none that names it: give 'role' "
                "as well, or leave them out."
            )
        return None
    named = _ROLE.fullmatch(role)
    if named is None or (external_id is not None and not _EXTERNAL_ID.fullmatch(external_id)):
        raise ConnectionInvalid(
            f"Option 'role' of connection {connection.name!r} must be a role's ARN, such as "
            "arn:aws:iam::123456789012:role/bursar, and 'external_id' one that AWS takes."
        )
    keys = access_keys(connection)
    if keys is None:
        raise ConnectionInvalid(
            f"Connection {connection.name!r} names a role, which an API key cannot assume: give AWS access keys as its "
            "credential, or leave the option 'role' out."
        )
    signer()
    form = {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": role,
        "RoleSessionName": f"bursar-{connection.id}",
        "DurationSeconds": str(_LIFETIME_SECONDS),
    }
    domain = "amazonaws.com.cn" if named[1] == "aws-cn" else "amazonaws.com"
    return TokenGrant(
        url=connection.options.get("sts", f"https://sts.{region}.{domain}").rstrip("/") + "/",
        form=form if external_id is None else {**form, "ExternalId": external_id},
        exchange=RoleExchange(keys, region),
    )


def signer() -> Any:
    """Return the module that signs, when a connection needs it: see there."""
    return importlib.import_module("bursar_plugin_bedrock.signing")
