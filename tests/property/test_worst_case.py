"""The worst case, parameter by parameter (I16), and cost over any number of parts (I17)."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from governance.catalog.rating import PriceLine, RateCard
from governance.core.money import exact_sum
from governance.plugin.provider import Bound
from governance.plugin.usage import INPUT_CLASSES, OUTPUT_CLASSES, UNIT_CLASSES, TokenClass, usage_of

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TIERS = ("standard", "priority")
STEPS = (0, 1_000, 100_000)
TOKENS = sorted(INPUT_CLASSES | OUTPUT_CLASSES)
PRICES = st.decimals(min_value=0, max_value=200_000, places=9)
COUNTS = st.integers(0, 10**6)
Prices = dict[tuple[str, int, TokenClass], Decimal]


def card(prices: Prices) -> RateCard:
    lines = [
        PriceLine(
            id=number,
            token_class=token_class,
            nano_per_unit=nano,
            from_input_tokens=step,
            service_tier=tier,
            effective_from=NOW,
            effective_to=None,
        )
        for number, ((tier, step, token_class), nano) in enumerate(prices.items())
    ]
    return RateCard(lines, at=NOW)


@st.composite
def priced(draw: st.DrawFn) -> Prices:
    """What every tier needs at least, and anything else at any step."""
    prices = {
        (tier, 0, token_class): draw(PRICES)
        for tier in TIERS
        for token_class in (TokenClass.INPUT, TokenClass.OUTPUT, TokenClass.WEB_SEARCH)
    }
    others = [TokenClass.REQUEST, *sorted(UNIT_CLASSES)]
    places = st.tuples(st.sampled_from(TIERS), st.sampled_from(STEPS), st.sampled_from([*TOKENS, *others]))
    return {**draw(st.dictionaries(places, PRICES, max_size=8)), **prices}


BOUNDS = st.builds(
    Bound,
    input_tokens=COUNTS,
    choices=st.integers(1, 128),
    calls=st.fixed_dictionaries({}, optional={TokenClass.WEB_SEARCH: st.integers(0, 50)}),
    has_media=st.booleans(),
    service_tiers=st.sampled_from([(), ("standard",), ("priority",)]),
    output_tokens=COUNTS,
    units=st.fixed_dictionaries(dict.fromkeys(sorted(UNIT_CLASSES), COUNTS)),
)


def larger(bound: Bound, *, name: str, by: int) -> Bound:
    """Return the bound with one of its parameters larger."""
    values = {field: getattr(bound, field) for field in Bound.__struct_fields__}
    if name == "calls":
        values["calls"] = {TokenClass.WEB_SEARCH: bound.calls.get(TokenClass.WEB_SEARCH, 0) + by}
    elif name == "units":
        values["units"] = {token_class: count + by for token_class, count in bound.units.items()}
    elif name in ("has_media", "may_output_media"):
        values[name] = True
    elif name == "service_tiers":
        values["service_tiers"] = tuple({*(bound.service_tiers or ("standard",)), "priority"})
    else:
        values[name] += by
    return Bound(**values)


@settings(max_examples=300, deadline=None)
@given(
    prices=priced(),
    bound=BOUNDS,
    name=st.sampled_from([name for name in Bound.__struct_fields__ if name != "priced"]),
    by=st.integers(1, 10**6),
    maximum=COUNTS,
)
def test_the_worst_case_grows_with_each_parameter_alone(
    prices: Prices, bound: Bound, name: str, by: int, maximum: int
) -> None:
    rates = card(prices)
    small, large = rates.worst_case(bound), rates.worst_case(larger(bound, name=name, by=by))
    assert small.nano(maximum) <= large.nano(maximum)
    assert small.nano(maximum) <= small.nano(maximum + by)


@settings(max_examples=300, deadline=None)
@given(prices=priced(), bound=BOUNDS, data=st.data(), more=PRICES, maximum=COUNTS)
def test_the_worst_case_grows_with_every_price(
    prices: Prices, bound: Bound, data: st.DataObject, more: Decimal, maximum: int
) -> None:
    place = data.draw(st.sampled_from(sorted(prices)))
    dearer = {**prices, place: prices[place] + more}
    assert card(prices).worst_case(bound).nano(maximum) <= card(dearer).worst_case(bound).nano(maximum)


@settings(max_examples=200, deadline=None)
@given(
    prices=st.fixed_dictionaries({("standard", 0, token_class): PRICES for token_class in TOKENS}),
    parts=st.lists(st.fixed_dictionaries(dict.fromkeys(TOKENS, COUNTS)), min_size=1, max_size=6),
)
def test_cost_is_additive_over_any_number_of_parts(prices: Prices, parts: list[dict[TokenClass, int]]) -> None:
    rates = card(prices)
    whole = {token_class: sum(part[token_class] for part in parts) for token_class in TOKENS}
    costs = [rates.rate(usage_of(part)).cost_nano for part in parts]
    rated = rates.rate(usage_of(whole))
    assert exact_sum(costs) == rated.cost_nano
    assert Fraction(rated.cost_nano) == sum(
        (count * Fraction(prices["standard", 0, token_class]) for token_class, count in whole.items()), Fraction()
    )
    assert rated.charge_nano == -(-Fraction(rated.cost_nano) // 1)
    assert rated.charge_nano <= sum(rates.rate(usage_of(part)).charge_nano for part in parts)
