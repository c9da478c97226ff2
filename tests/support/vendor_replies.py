"""Recorded replies on the OpenAI chat wire with what a person computes for them from the vendor's price page."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
from bursar_plugin_azure_openai import AzureOpenAI
from bursar_plugin_deepseek import DeepSeek
from bursar_plugin_glm import GLM
from bursar_plugin_openrouter import OpenRouter
from bursar_plugin_qwen import Qwen
from bursar_plugin_xai import XAI

from governance.catalog.rating import PriceLine, RateCard
from governance.plugin import Provider, TokenClass

PROVIDERS: Mapping[str, Provider] = {
    provider.name: provider for provider in (AzureOpenAI(), DeepSeek(), GLM(), OpenRouter(), Qwen(), XAI())
}
BASE_URLS = {name: provider.default_base_url for name, provider in PROVIDERS.items()} | {
    "azure_openai": "https://acme.openai.azure.com"
}


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """One recording. `prices` are USD per million tokens as the vendor's page had them on the day of the reply;
    `cost` is the exact USD a person gets from them, `vendor_cost` what the vendor itself reported.
    """

    name: str
    provider: str
    prices: dict[str, str]
    classes: dict[str, int]
    cost: str
    served_model: str
    vendor_cost: str | None = None
    is_stream: bool = False
    hides_usage: bool = False


def price_card(prices: Mapping[str, str]) -> RateCard:
    """Return a card with these prices in USD per million tokens: a micro-USD per token is 1,000 nano-USD."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    lines = [
        PriceLine(
            id=number,
            token_class=TokenClass(token_class),
            nano_per_unit=Decimal(price) * 1000,
            from_input_tokens=0,
            service_tier="standard",
            effective_from=at,
            effective_to=None,
        )
        for number, (token_class, price) in enumerate(prices.items(), start=1)
    ]
    return RateCard(lines, at=at)


_REASONER_2025_04 = {"input": "0.55", "cache_read": "0.14", "output": "2.19"}
_DEEPSEEK_V3_2 = {"input": "0.28", "cache_read": "0.028", "output": "0.42"}
_GROK_3_MINI = {"input": "0.30", "cache_read": "0.075", "output": "0.50"}
_QWEN3_MAX = {"input": "1.2", "output": "6"}

RECORDED = (
    Recorded(
        name="deepseek-chat-reasoner.json",
        provider="deepseek",
        prices=_REASONER_2025_04,
        classes={"input": 12, "output": 374, "reasoning": 415},
        cost="0.00173451",
        served_model="deepseek-reasoner",
    ),
    Recorded(
        name="deepseek-chat-text.json",
        provider="deepseek",
        prices=_DEEPSEEK_V3_2,
        classes={"input": 13, "output": 300},
        cost="0.00012964",
        served_model="deepseek-chat",
    ),
    Recorded(
        name="deepseek-chat-toolcall-stream.json",
        provider="deepseek",
        prices=_DEEPSEEK_V3_2,
        classes={"input": 19, "cache_read": 320, "output": 44, "reasoning": 39},
        cost="0.00004914",
        served_model="deepseek-reasoner",
        is_stream=True,
    ),
    Recorded(
        name="xai-chat-small.json",
        provider="xai",
        prices=_GROK_3_MINI,
        classes={"input": 10, "cache_read": 2, "output": 1, "reasoning": 228},
        cost="0.00011765",
        served_model="grok-3-mini",
        vendor_cost="0.0001176500",
    ),
    Recorded(
        name="xai-chat-toolcall.json",
        provider="xai",
        prices=_GROK_3_MINI,
        classes={"input": 47, "cache_read": 244, "output": 26, "reasoning": 189},
        cost="0.0001399",
        served_model="grok-3-mini",
        vendor_cost="0.0001399000",
    ),
    Recorded(
        name="xai-chat-text-stream.json",
        provider="xai",
        prices=_GROK_3_MINI,
        classes={"input": 1, "cache_read": 11, "output": 2, "reasoning": 340},
        cost="0.000172125",
        served_model="grok-3-mini",
        vendor_cost="0.0001721250",
        is_stream=True,
        hides_usage=True,
    ),
    Recorded(
        name="alibaba-qwen-reasoning.json",
        provider="qwen",
        prices=_QWEN3_MAX,
        classes={"input": 24, "output": 315, "reasoning": 1353},
        cost="0.0100368",
        served_model="qwen3-max",
    ),
    Recorded(
        name="alibaba-qwen-text-stream.json",
        provider="qwen",
        prices=_QWEN3_MAX,
        classes={"input": 18, "output": 779},
        cost="0.0046956",
        served_model="qwen3-max",
        is_stream=True,
        hides_usage=True,
    ),
    Recorded(
        name="zai-glm-5.2.json",
        provider="glm",
        prices={"input": "1.4", "cache_read": "0.26", "output": "4.4"},
        classes={"input": 20, "output": 9, "reasoning": 58},
        cost="0.0003228",
        served_model="glm-5.2",
    ),
    Recorded(
        name="zai-glm-4.7-stream.json",
        provider="glm",
        prices={"input": "0.6", "cache_read": "0.11", "output": "2.2"},
        classes={"input": 13, "output": 3, "reasoning": 561},
        cost="0.0012486",
        served_model="glm-4.7",
        is_stream=True,
    ),
    Recorded(
        name="openrouter-stream-reasoning.json",
        provider="openrouter",
        prices={"input": "3", "cache_read": "0.30", "cache_write": "3.75", "output": "15"},
        classes={"input": 43, "output": 23, "reasoning": 13},
        cost="0.000669",
        served_model="anthropic/claude-sonnet-4.5",
        vendor_cost="0.000669",
        is_stream=True,
    ),
    Recorded(
        name="azure-openai-chat.json",
        provider="azure_openai",
        prices={"input": "2.50", "cache_read": "1.25", "output": "10"},
        classes={"input": 14, "output": 9},
        cost="0.000125",
        served_model="gpt-4o-2024-11-20",
    ),
)
