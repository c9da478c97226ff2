"""A request and its rate limits: admitted once, before the first attempt; what it did not use comes back at its end."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence

import msgspec

from governance.core.errors import RateLimited
from governance.gateway.app import Gateway
from governance.gateway.exchange import Exchange, Facts, Headers
from governance.gateway.pricing import Quote
from governance.metering.rate_books import RateFigure
from governance.metering.rates import RateClaim
from governance.policy.snapshot import KeyPolicy


class Allowed(msgspec.Struct, frozen=True):
    """What rate limits admitted: so many tokens for all that the request uses; None where nothing counts them."""

    tokens: int | None

    def lowered(self, quote: Quote) -> Quote:
        """Return the quote with the maximum that these tokens are enough for: its own, or a lower one."""
        if self.tokens is None or self.tokens >= quote.tokens(quote.maximum) or not quote.bound.choices:
            return quote
        maximum = (self.tokens - quote.bound.input_tokens) // quote.bound.choices
        return msgspec.structs.replace(
            quote, maximum=maximum, worst_nano=quote.worst.nano(maximum), is_written=True, is_lowered=True
        )


@contextlib.asynccontextmanager
async def rated(
    gateway: Gateway, exchange: Exchange, *, policy: KeyPolicy, quotes: Sequence[Quote], tokens: int | None = None
) -> AsyncIterator[Allowed]:
    """Admit a request that may be answered as any of these quotes; tokens are reserved for the dearest, or this many
    where they are the lines of a job.

    Raises RateLimited, RequestBeyondRateLimit or GovernanceUnavailable.
    """
    providers = [quote.deployment.provider.name for quote in quotes]
    alias = quotes[0].fields.model
    limits = tuple([limit for limit in policy.rate_limits if limit.applies_to(alias=alias, providers=providers)])
    if not limits:
        yield Allowed(None)
        return
    claim = RateClaim(
        limits=limits,
        want_tokens=max(quote.tokens(quote.maximum) for quote in quotes) if tokens is None else tokens,
        least_tokens=max(quote.tokens(quote.least_maximum) for quote in quotes) if tokens is None else tokens,
    )
    rates = gateway.vendors.rates
    try:
        admission = await rates.admit(claim)
    except RateLimited as error:
        gateway.metrics.numbers.count("bursar_rate_refusals", error.counts)
        raise
    finally:
        exchange.limit_headers = limit_headers(rates.figures(claim))
    try:
        yield Allowed(admission.tokens)
    finally:
        rates.settle(admission, tokens=_used_tokens(exchange.facts), was_sent=exchange.facts.was_sent)


def limit_headers(figures: Iterable[RateFigure]) -> Headers:
    """Return OpenAI's headers for the tightest limit of requests and of tokens."""
    headers: Headers = []
    for figure in figures:
        kind = figure.counts.encode()
        headers += [
            (b"x-ratelimit-limit-" + kind, b"%d" % figure.amount),
            (b"x-ratelimit-remaining-" + kind, b"%d" % figure.remaining),
            (b"x-ratelimit-reset-" + kind, duration_text(figure.resets_in_seconds).encode()),
        ]
    return headers


def duration_text(seconds: float) -> str:
    """Return a duration as OpenAI writes it: "6m0s", "1h0m3s", "120ms"."""
    milliseconds = max(1, round(seconds * 1000))
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, whole = divmod(-(-milliseconds // 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{f'{hours}h' if hours else ''}{f'{minutes}m' if minutes or hours else ''}{whole}s"


def _used_tokens(facts: Facts) -> int | None:
    usage = facts.usage
    return None if usage is None else usage.input_tokens + usage.output_tokens
