"""What the tests of connections and of their pool do alike."""

from governance.gateway.transport import Reply
from governance.gateway.vendor_pool import VendorPool
from governance.plugin.provider import Upstream
from tests.gateway.vendor import Vendor


def upstream(vendor: Vendor) -> Upstream:
    headers = (("content-type", "application/json"), ("authorization", "Bearer x"))
    return Upstream(url=f"{vendor.base_url}/chat/completions", headers=headers)


async def whole(reply: Reply) -> bytes:
    """Read a reply to its end, and give its connection back."""
    parts = []
    while part := await reply.next_chunk():
        parts.append(part)
    await reply.close()
    return b"".join(parts)


async def ask(pool: VendorPool, vendor: Vendor, body: bytes = b"{}") -> bytes:
    return await whole(await pool.send(upstream=upstream(vendor), body=body))
