"""Models that are priced by the piece: images, characters, seconds of audio, alone or beside tokens."""

import pytest

from governance.catalog.rating import NoPrice
from governance.core.errors import RequestUnpriced
from governance.plugin.provider import Bound
from governance.plugin.usage import MediaUnits, TokenClass, Usage
from tests.catalog.test_rating import card, line

IMAGES = Usage(input_tokens=0, output_tokens=0, media=MediaUnits(images=3))
SECONDS = Usage(input_tokens=0, output_tokens=0, media=MediaUnits(audio_seconds=7))
TOKENS = Usage(input_tokens=10, output_tokens=5)


@pytest.mark.parametrize(
    ("prices", "used", "cost"),
    [
        ([(TokenClass.IMAGE, 20)], IMAGES, 60),
        ([(TokenClass.AUDIO_SECOND, 100)], SECONDS, 700),
        ([(TokenClass.INPUT, 2), (TokenClass.OUTPUT, 3)], TOKENS, 35),
        ([(TokenClass.INPUT, 2), (TokenClass.OUTPUT, 3)], IMAGES, None),
        ([(TokenClass.AUDIO_SECOND, 100)], TOKENS, None),
        ([(TokenClass.AUDIO_SECOND, 100)], IMAGES, None),
    ],
)
def test_what_media_are_reported_in_has_a_price_or_proves_no_cost(
    prices: list[tuple[TokenClass, int]], used: Usage, cost: int | None
) -> None:
    rates = card(*(line(number, token_class, nano) for number, (token_class, nano) in enumerate(prices)))
    if cost is None:
        with pytest.raises(NoPrice):
            rates.rate(used)
    else:
        assert rates.rate(used).charge_nano == cost


def test_a_unit_that_has_a_price_must_be_bounded_and_tokens_cost_nothing_where_they_have_none() -> None:
    spoken = card(line(1, TokenClass.CHARACTER, 15_000))
    bound = Bound(input_tokens=50, choices=0, output_tokens=9, units={TokenClass.CHARACTER: 4})
    assert spoken.worst_case(bound).nano(0) == 60_000
    assert card(line(1, TokenClass.INPUT, 2), line(2, TokenClass.OUTPUT, 3)).worst_case(bound).nano(0) == 127
    with pytest.raises(RequestUnpriced, match="priced by character"):
        spoken.worst_case(Bound(input_tokens=50, choices=1))


def test_units_and_tokens_that_both_have_prices_are_held_together() -> None:
    both = card(line(1, TokenClass.IMAGE, 1_000), line(2, TokenClass.INPUT, 2), line(3, TokenClass.OUTPUT, 3))
    bound = Bound(input_tokens=50, choices=0, output_tokens=9, units={TokenClass.IMAGE: 4})
    assert both.worst_case(bound).nano(0) == 4 * 1_000 + 50 * 2 + 9 * 3
    drawn = card(line(1, TokenClass.IMAGE, 1_000), line(2, TokenClass.INPUT_IMAGE, 2))
    assert drawn.worst_case(bound).nano(0) == 4 * 1_000


@pytest.mark.parametrize(
    ("token_class", "sentence"),
    [
        (TokenClass.IMAGE, "no price by image, and the catalogue has no bound"),
        (TokenClass.CACHE_WRITE_LONG, "no price for cache_write_long: ask for less"),
    ],
)
def test_what_must_have_a_price_of_its_own_says_what_to_do_without_one(token_class: TokenClass, sentence: str) -> None:
    prices = card(line(1, TokenClass.INPUT, 2), line(2, TokenClass.OUTPUT, 3))
    with pytest.raises(RequestUnpriced, match=sentence):
        prices.worst_case(Bound(input_tokens=1, choices=1, priced=(token_class,)))
