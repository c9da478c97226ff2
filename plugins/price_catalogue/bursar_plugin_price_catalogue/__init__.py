"""Two sources of models and prices: the genai-prices package, and a dated file of our own that corrects it."""

from collections.abc import Callable

from bursar_plugin_price_catalogue.genai import GenaiPrices
from bursar_plugin_price_catalogue.handkept import HandKept
from governance.plugin import PriceSource, hookimpl


@hookimpl
def bursar_price_sources(register: Callable[[PriceSource], None]) -> None:
    """Offer the sources `genai-prices` and `bursar-catalogue`."""
    register(GenaiPrices())
    register(HandKept())
