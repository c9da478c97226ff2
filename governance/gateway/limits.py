"""Everything on the wire has a limit and its own timeout. Here they are, all of them."""

import msgspec

LEAST_OUTPUT_TOKENS = 16
"""A maximum is not lowered below this: a shorter answer is of no use to anybody, and would still be paid for."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes, times in seconds."""

    header_bytes: int = 64 * 1024
    """Of a request's head, and of what frames a body in chunks between two parts of it."""
    header_lines: int = 256
    header_seconds: float = 20
    keep_alive_seconds: float = 75
    """So long a connection may wait for its next request."""
    body_bytes: int = 16 * 1024 * 1024
    form_bytes: int = 32 * 1024 * 1024
    """Of a body that is a form, with files in it: vendors take audio of 25 MiB."""
    body_seconds: float = 60
    reply_bytes: int = 64 * 1024 * 1024
    connect_seconds: float = 5
    first_byte_seconds: float = 600
    """Until the vendor's reply begins. A long answer that is not streamed begins when it is complete."""
    idle_seconds: float = 60
    pool_idle_seconds: float = 30
    total_seconds: float = 1800
    """For all attempts of a request together."""
    retries: int = 2
    """How often a request is sent again to a deployment that failed, besides other deployments."""
    breaker_open_seconds: float = 5
    """How long a deployment that keeps failing is left alone at first."""
    write_stall_seconds: float = 30
    after_disconnect_seconds: float = 60
    after_disconnect_bytes: int = 16 * 1024 * 1024
    drain_seconds: int = 30
    """How long a stopping process lets open requests finish."""
    watch_seconds: float = 0.5
    """How often timeouts are looked at: the precision of all of them but the connect timeout."""
    tags: int = 16
    tag_characters: int = 128
    database_seconds: float = 2
    """How long a request waits for its turn at the database before it is refused with 503."""
    cached_keys: int = 100_000
    cache_bytes: int = 128 * 1024 * 1024
    """Of answers that teams have kept, all teams together."""
    prompt_bytes: int = 32 * 1024 * 1024
    """Of requests and replies that wait to be stored."""
    unknown_key_seconds: float = 2
    policy_poll_seconds: float = 5
    flush_seconds: float = 1
    refusals_seconds: float = 5
    """How often it is told what was refused."""
    lease_idle_seconds: float = 5
    backlog: int = 4096
