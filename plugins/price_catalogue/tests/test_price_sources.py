"""Both sources read offline, name where each price was read, and together know every vendor."""

from datetime import date
from decimal import Decimal

import pytest
from bursar_plugin_price_catalogue.genai import GenaiPrices
from bursar_plugin_price_catalogue.handkept import HandKept

from governance.plugin import PriceSource, TokenClass
from governance.plugin.media import is_bound_name

VENDORS = {"openai", "anthropic", "gemini", "qwen", "glm", "deepseek", "xai"}
SOURCES: list[PriceSource] = [GenaiPrices(), HandKept()]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_reading_twice_gives_the_same_snapshot(source: PriceSource) -> None:
    first, second = source.read(providers=()), source.read(providers=())
    assert first == second
    assert len(bytes.fromhex(first.snapshot_sha256)) == 32
    assert first.as_of <= date(2026, 12, 31)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_priced_model_is_in_the_catalogue_and_no_price_is_negative(source: PriceSource) -> None:
    catalogue = source.read(providers=())
    models = {(model.provider, model.name) for model in catalogue.models}
    assert {(price.provider, price.model) for price in catalogue.prices} <= models
    assert min(price.usd_per_million for price in catalogue.prices) >= 0


def test_what_media_count_as_at_most_has_a_name_that_plugins_ask_for_and_a_place_where_it_was_read() -> None:
    bounded = [model for model in HandKept().read(providers=()).models if model.bounds]
    assert all(is_bound_name(name) and bound > 0 for model in bounded for name, bound in model.bounds.items())
    assert all(model.origin for model in bounded)
    assert {model.provider for model in bounded} == {"openai", "gemini"}


def test_together_they_know_the_models_of_every_vendor() -> None:
    known = {model.provider for source in SOURCES for model in source.read(providers=()).models}
    assert known >= VENDORS


def test_only_the_wanted_vendors_are_read() -> None:
    catalogue = GenaiPrices().read(providers=["anthropic"])
    assert {model.provider for model in catalogue.models} == {"anthropic"}


def test_the_sandbox_costs_one_and_two_dollars_per_million() -> None:
    prices = {
        price.token_class: price.usd_per_million
        for price in HandKept().read(providers=["sandbox"]).prices
        if price.model == "sandbox-1"
    }
    assert prices == {TokenClass.INPUT: Decimal("1.00"), TokenClass.OUTPUT: Decimal("2.00")}


@pytest.mark.parametrize(("model", "usd"), [("text-embedding-3-small", "0.02"), ("text-embedding-3-large", "0.13")])
def test_a_batch_of_embeddings_costs_half(model: str, usd: str) -> None:
    """The standard price stands beside it: the source that prices a model prices all of it."""
    prices = {
        (price.service_tier, price.token_class): price.usd_per_million
        for price in HandKept().read(providers=["openai"]).prices
        if price.model == model
    }
    standard = Decimal(usd)
    assert prices == {("standard", TokenClass.INPUT): standard, ("batch", TokenClass.INPUT): standard / 2}


def test_a_retired_model_names_its_successor_and_its_day() -> None:
    retired = {
        model.name: model for model in HandKept().read(providers=["gemini"]).models if model.retires_on is not None
    }
    assert retired["gemini-3-pro-preview"].retires_on == date(2026, 3, 9)
    assert retired["gemini-3-pro-preview"].successor


def test_trap_16_anthropics_inference_in_the_us_costs_a_tenth_more_for_every_token_not_for_calls() -> None:
    prices = {
        (price.service_tier, price.token_class): price.usd_per_million
        for price in GenaiPrices().read(providers=["anthropic"]).prices
        if price.model == "claude-opus-4-8"
    }
    assert prices["standard", TokenClass.INPUT] == 5 and prices["us", TokenClass.INPUT] == Decimal("5.5")
    assert prices["us", TokenClass.CACHE_WRITE_LONG] == 11
    assert prices["us", TokenClass.WEB_SEARCH] == prices["standard", TokenClass.WEB_SEARCH] == 10_000
    assert prices["fast+us", TokenClass.OUTPUT] == prices["fast", TokenClass.OUTPUT] * Decimal("1.1")
    assert {tier for tier, _ in prices} == {"standard", "batch", "fast", "us", "fast+us"}


def test_trap_16_a_place_in_a_models_name_at_bedrock_multiplies_its_prices() -> None:
    prices = {
        (price.model.split(".")[0], price.token_class): price.usd_per_million
        for price in HandKept().read(providers=["bedrock"]).prices
        if price.model.endswith(".claude-sonnet-5")
    }
    assert {place: prices[place, TokenClass.INPUT] for place, _ in prices} == {
        "global": 2,
        **dict.fromkeys(["us", "eu", "jp", "au", "apac"], Decimal("2.2")),
        "us-gov": Decimal("2.4"),
    }
    assert prices["eu", TokenClass.CACHE_WRITE_LONG] == Decimal("4.4")
    assert prices["us-gov", TokenClass.OUTPUT] == 12
