"""Signs requests with AWS Signature Version 4, by botocore's signer.

The package imports this module only when a connection has access keys: botocore takes 20 MB and a fifth of a second.
"""

import logging

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from bursar_plugin_bedrock.credentials import AccessKeys
from governance.plugin import Upstream

_ADDED = ("Authorization", "X-Amz-Date", "X-Amz-Security-Token")

# At the level DEBUG it writes session tokens into the log.
logging.getLogger("botocore.auth").setLevel(logging.INFO)


def signature(
    keys: AccessKeys, *, service: str, region: str, upstream: Upstream, body: bytes
) -> tuple[tuple[str, str], ...]:
    """Return the headers that authorise this request within five minutes of now."""
    credentials = ReadOnlyCredentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    request = AWSRequest(method=upstream.method, url=upstream.url, data=body, headers=dict(upstream.headers))
    SigV4Auth(credentials, service, region).add_auth(request)
    return tuple((name.lower(), request.headers[name]) for name in _ADDED if name in request.headers)
