"""Rating is exact and additive (I17); the worst case is monotone and never below what a report can cost (I16)."""

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.catalog.rating import NoPrice, PriceLine, RateCard, RatedLine, RateTable, is_listed_price
from governance.core.errors import RequestUnpriced
from governance.core.windows import END
from governance.plugin.provider import Bound
from governance.plugin.usage import INPUT_CLASSES, OUTPUT_CLASSES, TokenClass, Usage, usage_of

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PRICED = [
    TokenClass.INPUT,
    TokenClass.OUTPUT,
    TokenClass.CACHE_READ,
    TokenClass.CACHE_WRITE,
    TokenClass.CACHE_WRITE_LONG,
    TokenClass.REASONING,
    TokenClass.REQUEST,
]


def line(
    number: int,
    token_class: TokenClass,
    nano: str | Decimal,
    *,
    step: int = 0,
    tier: str = "standard",
    since: datetime = NOW,
    until: datetime | None = None,
) -> PriceLine:
    return PriceLine(
        id=number,
        token_class=token_class,
        nano_per_unit=Decimal(nano),
        from_input_tokens=step,
        service_tier=tier,
        effective_from=since,
        effective_to=until,
    )


def card(*lines: PriceLine, at: datetime = NOW) -> RateCard:
    return RateCard(lines, at=at)


PRICES = st.decimals(min_value=0, max_value=200_000, places=6)
COUNTS = st.integers(0, 2_000_000)


@st.composite
def cards(draw: st.DrawFn) -> RateCard:
    lines = [line(1, TokenClass.INPUT, draw(PRICES)), line(2, TokenClass.OUTPUT, draw(PRICES))]
    for number, token_class in enumerate(PRICED[2:], start=3):
        if draw(st.booleans()):
            lines.append(line(number, token_class, draw(PRICES)))
    for number in range(draw(st.integers(0, 3))):
        step = draw(st.sampled_from([1_000, 100_000, 272_000]))
        token_class = draw(st.sampled_from(PRICED))
        if not any(each.from_input_tokens == step and each.token_class is token_class for each in lines):
            lines.append(line(20 + number, token_class, draw(PRICES), step=step))
    return card(*lines)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    total_input, total_output = draw(COUNTS), draw(COUNTS)
    read = draw(st.integers(0, total_input))
    written = draw(st.integers(0, total_input - read))
    return Usage(
        input_tokens=total_input,
        output_tokens=total_output,
        cache_read_input_tokens=read,
        cache_write_input_tokens=written,
        cache_write_long_input_tokens=draw(st.integers(0, written)),
        reasoning_output_tokens=draw(st.integers(0, total_output)),
    )


@settings(max_examples=400, deadline=None)
@given(prices=cards(), usage=usages(), slack=st.integers(0, 1000), choices=st.integers(1, 4))
def test_the_worst_case_is_never_below_what_the_vendor_can_report(
    prices: RateCard, usage: Usage, slack: int, choices: int
) -> None:
    worst = prices.worst_case(Bound(input_tokens=usage.input_tokens + slack, choices=choices))
    maximum = -(-usage.output_tokens // choices)
    assert worst.nano(maximum) >= prices.rate(usage).charge_nano


@settings(max_examples=200, deadline=None)
@given(prices=cards(), size=COUNTS, more=COUNTS, maximum=COUNTS)
def test_the_worst_case_grows_with_every_parameter(prices: RateCard, size: int, more: int, maximum: int) -> None:
    small = prices.worst_case(Bound(input_tokens=size, choices=1))
    large = prices.worst_case(Bound(input_tokens=size + more, choices=2))
    assert small.nano(maximum) <= large.nano(maximum) <= large.nano(maximum + more)


@settings(max_examples=200, deadline=None)
@given(prices=cards(), size=COUNTS, money=st.integers(0, 10**15))
def test_the_affordable_maximum_fits_and_one_more_does_not(prices: RateCard, size: int, money: int) -> None:
    worst = prices.worst_case(Bound(input_tokens=size, choices=1))
    maximum = worst.affordable_output_tokens(money)
    if maximum < 0:
        assert worst.nano(0) > money
    elif worst.per_output_token:
        assert worst.nano(maximum) <= money < worst.nano(maximum + 1)


@settings(max_examples=300, deadline=None)
@given(prices=cards(), usage=usages())
def test_cost_is_exact_and_the_sum_of_its_lines(prices: RateCard, usage: Usage) -> None:
    rated = prices.rate(usage)
    assert sum((Fraction(each.cost_nano) for each in rated.lines), Fraction()) == Fraction(rated.cost_nano)
    assert rated.charge_nano - 1 < rated.cost_nano <= rated.charge_nano


@given(first=COUNTS, second=COUNTS, price=PRICES)
def test_cost_is_additive_over_a_split_of_tokens(first: int, second: int, price: Decimal) -> None:
    prices = card(line(1, TokenClass.INPUT, price), line(2, TokenClass.OUTPUT, price))
    parts = [prices.rate(Usage(input_tokens=n, output_tokens=0)).cost_nano for n in (first, second)]
    assert prices.rate(Usage(input_tokens=first + second, output_tokens=0)).cost_nano == sum(parts)


_TOKENS = sorted(INPUT_CLASSES | OUTPUT_CLASSES)
COUNTS_OF_CLASSES = st.fixed_dictionaries({each: st.integers(0, 10**6) for each in (*_TOKENS, TokenClass.WEB_SEARCH)})


@st.composite
def flat_cards(draw: st.DrawFn) -> RateCard:
    """Prices without length steps, for some or all classes: tokens, media, searches and the request itself."""
    lines = [line(1, TokenClass.INPUT, draw(PRICES)), line(2, TokenClass.OUTPUT, draw(PRICES))]
    optional = [each for each in TokenClass if each not in (TokenClass.INPUT, TokenClass.OUTPUT, TokenClass.UNKNOWN)]
    for number, token_class in enumerate(draw(st.sets(st.sampled_from(optional))), start=3):
        lines.append(line(number, token_class, draw(PRICES)))
    return card(*lines)


@given(counts=COUNTS_OF_CLASSES)
def test_counts_of_classes_and_usage_say_the_same(counts: dict[TokenClass, int]) -> None:
    assert usage_of(counts).counts() == {**counts, TokenClass.REQUEST: 1}


@given(usage=usages())
def test_usage_can_be_read_back_from_the_lines_that_were_rated(usage: Usage) -> None:
    kept = {token_class: count for token_class, count in usage.counts().items() if count}
    assert usage_of(kept).counts() == usage.counts()


@settings(max_examples=300, deadline=None)
@given(prices=flat_cards(), one=COUNTS_OF_CLASSES, other=COUNTS_OF_CLASSES)
def test_cost_is_additive_over_any_split_of_a_request_but_for_its_own_fee(
    prices: RateCard, one: dict[TokenClass, int], other: dict[TokenClass, int]
) -> None:
    both = {each: one[each] + other[each] for each in one}
    whole, first, second, nothing = (
        Fraction(prices.rate(usage_of(counts)).cost_nano) for counts in (both, one, other, {})
    )
    assert whole == first + second - nothing


@settings(max_examples=300, deadline=None)
@given(
    prices=flat_cards(),
    counts=COUNTS_OF_CLASSES,
    token_class=st.sampled_from([*_TOKENS, TokenClass.WEB_SEARCH]),
    more=st.integers(1, 10**6),
)
def test_cost_grows_with_every_count(
    prices: RateCard, counts: dict[TokenClass, int], token_class: TokenClass, more: int
) -> None:
    less_used = prices.rate(usage_of(counts))
    more_used = prices.rate(usage_of({**counts, token_class: counts[token_class] + more}))
    assert less_used.cost_nano <= more_used.cost_nano
    assert less_used.charge_nano <= more_used.charge_nano


@st.composite
def tiered_cards(draw: st.DrawFn) -> RateCard:
    """Prices at two tiers and at length steps, with searches priced at each."""
    lines, numbers = [], itertools.count(1)
    for tier in ("standard", "priority"):
        for token_class in (TokenClass.INPUT, TokenClass.OUTPUT, TokenClass.WEB_SEARCH):
            lines.append(line(next(numbers), token_class, draw(PRICES), tier=tier))
        for token_class in draw(st.sets(st.sampled_from([*_TOKENS, TokenClass.REQUEST]))):
            for step in draw(st.sets(st.sampled_from([1_000, 100_000]))):
                lines.append(line(next(numbers), token_class, draw(PRICES), tier=tier, step=step))
    return card(*lines)


@settings(max_examples=400, deadline=None)
@given(
    prices=tiered_cards(),
    counts=COUNTS_OF_CLASSES,
    tier=st.sampled_from(["standard", "priority"]),
    slack=st.integers(0, 200_000),
    choices=st.integers(1, 4),
)
def test_the_worst_case_covers_media_searches_tiers_and_steps(
    prices: RateCard, counts: dict[TokenClass, int], tier: str, slack: int, choices: int
) -> None:
    usage = usage_of(counts)
    bound = Bound(
        input_tokens=usage.input_tokens + slack,
        choices=choices,
        service_tiers=("standard", "priority"),
        calls={TokenClass.WEB_SEARCH: usage.web_search_calls},
        has_media=True,
    )
    worst = prices.worst_case(bound).nano(-(-usage.output_tokens // choices))
    assert worst >= prices.rate(usage, service_tier=tier).charge_nano


def test_a_length_step_prices_the_whole_request() -> None:
    prices = card(
        line(1, TokenClass.INPUT, 2),
        line(2, TokenClass.OUTPUT, 10),
        line(3, TokenClass.INPUT, 4, step=200_000),
        line(4, TokenClass.OUTPUT, 15, step=200_000),
    )
    below = prices.rate(Usage(input_tokens=199_999, output_tokens=10))
    at_step = prices.rate(Usage(input_tokens=200_000, output_tokens=10, cache_read_input_tokens=150_000))
    assert (below.charge_nano, at_step.charge_nano) == (399_998 + 100, 800_000 + 150)


def test_a_class_without_a_price_is_rated_as_its_neighbour_and_marked() -> None:
    prices = card(line(1, TokenClass.INPUT, 2), line(2, TokenClass.OUTPUT, 10))
    cached = prices.rate(Usage(input_tokens=10, output_tokens=0, cache_read_input_tokens=10))
    written = prices.rate(Usage(input_tokens=10, output_tokens=0, cache_write_input_tokens=10))
    assert (cached.charge_nano, cached.is_assumed) == (20, False)
    assert (written.charge_nano, written.is_assumed) == (20, True)


def test_what_must_have_a_price_of_its_own_is_refused_while_one_is_assumed_for_it() -> None:
    bound = Bound(input_tokens=10, choices=1, priced=(TokenClass.CACHE_WRITE_LONG,))
    lines = (line(1, TokenClass.INPUT, 2), line(2, TokenClass.OUTPUT, 10), line(3, TokenClass.CACHE_WRITE, 3))
    with pytest.raises(RequestUnpriced, match="cache_write_long"):
        card(*lines).worst_case(bound)
    assert card(*lines, line(4, TokenClass.CACHE_WRITE_LONG, 5)).worst_case(bound).nano(1) == 10 * 5 + 10


def test_a_wire_without_output_needs_no_price_of_output() -> None:
    prices = card(line(1, TokenClass.INPUT, 2))
    assert prices.worst_case(Bound(input_tokens=10, choices=0)).nano(0) == 20
    with pytest.raises(RequestUnpriced, match="no price for what this request can use"):
        prices.worst_case(Bound(input_tokens=10, choices=1))


def test_a_request_for_a_tier_without_a_price_is_refused() -> None:
    prices = card(line(1, TokenClass.INPUT, 2), line(2, TokenClass.OUTPUT, 10))
    with pytest.raises(RequestUnpriced, match="'priority'"):
        prices.worst_case(Bound(input_tokens=1, choices=1, service_tiers=("priority",)))


def test_a_reply_at_an_unknown_tier_is_rated_as_the_dearest_and_marked() -> None:
    prices = card(
        line(1, TokenClass.INPUT, 2),
        line(2, TokenClass.OUTPUT, 2),
        line(3, TokenClass.INPUT, 5, tier="priority"),
        line(4, TokenClass.OUTPUT, 5, tier="priority"),
    )
    rated = prices.rate(Usage(input_tokens=1, output_tokens=1), service_tier="ultrafast")
    assert (rated.charge_nano, rated.is_assumed) == (10, True)


def test_a_paid_tool_without_a_price_is_refused() -> None:
    prices = card(line(1, TokenClass.INPUT, 2), line(2, TokenClass.OUTPUT, 10))
    with pytest.raises(RequestUnpriced, match="web_search"):
        prices.worst_case(Bound(input_tokens=1, choices=1, calls={TokenClass.WEB_SEARCH: 1}))


def test_the_price_in_force_at_the_instant_decides() -> None:
    change = NOW + timedelta(days=1)
    table = RateTable(
        [
            line(1, TokenClass.INPUT, 2, until=change),
            line(2, TokenClass.OUTPUT, 2),
            line(3, TokenClass.INPUT, 4, since=change),
        ]
    )
    usage = Usage(input_tokens=1, output_tokens=0)
    charges = [table.card_at(at).rate(usage).charge_nano for at in (NOW, change - timedelta(seconds=1), change, NOW)]
    assert charges == [2, 2, 4, 2]


def test_a_model_without_a_price_in_force_cannot_be_called() -> None:
    table = RateTable([line(1, TokenClass.INPUT, 2, since=NOW + timedelta(days=1))])
    with pytest.raises(NoPrice) as refusal:
        table.card_at(NOW)
    assert refusal.value.message == (
        "The model has no price in force, so it cannot be called: add one with `bursar models add`."
    )


def test_the_finest_price_times_the_largest_count_loses_no_digit() -> None:
    prices = card(line(1, TokenClass.INPUT, "199999.123456789012345678"), line(2, TokenClass.OUTPUT, 1))
    rated = prices.rate(Usage(input_tokens=2**40, output_tokens=0))
    exact = 2**40 * Fraction("199999.123456789012345678")
    assert Fraction(rated.cost_nano) == Fraction(rated.lines[0].cost_nano) == exact
    long = "1" * 22 + "." + "123456789012345678"
    dear = card(line(1, TokenClass.INPUT, long), line(2, TokenClass.OUTPUT, 1))
    assert Fraction(dear.rate(Usage(input_tokens=1, output_tokens=0)).cost_nano) == Fraction(long)


def test_what_is_affordable_without_a_price_of_output_is_bounded_only_by_what_can_be_counted() -> None:
    free = card(line(1, TokenClass.INPUT, 2), line(2, TokenClass.OUTPUT, 0))
    worst = free.worst_case(Bound(input_tokens=5, choices=1))
    assert [worst.affordable_output_tokens(nano) for nano in (9, 10)] == [-1, 2**40]


def test_a_table_hands_out_the_same_card_as_long_as_it_is_in_force() -> None:
    table = RateTable([line(1, TokenClass.INPUT, 2), line(2, TokenClass.OUTPUT, 2)])
    first = table.card_at(NOW)
    assert table.card_at(NOW) is first
    assert table.card_at(first.valid_from) is first
    assert table.card_at(NOW + timedelta(days=1)) is first


@pytest.mark.parametrize(
    ("token_class", "listed_for", "is_listed"),
    [
        (TokenClass.INPUT, TokenClass.INPUT, True),
        (TokenClass.CACHE_READ, TokenClass.INPUT, True),
        (TokenClass.REASONING, TokenClass.OUTPUT, True),
        (TokenClass.REASONING, TokenClass.INPUT, False),
        (TokenClass.CACHE_WRITE, TokenClass.INPUT, False),
        (TokenClass.INPUT, TokenClass.CACHE_READ, False),
    ],
)
def test_a_vendor_bills_some_classes_at_the_price_of_another(
    token_class: TokenClass, listed_for: TokenClass, is_listed: bool
) -> None:
    assert is_listed_price(token_class, listed_for=listed_for) is is_listed


def test_every_line_says_its_class_its_count_its_price_and_its_cost() -> None:
    prices = card(
        line(7, TokenClass.INPUT, "1.5"), line(8, TokenClass.OUTPUT, 2), line(9, TokenClass.REQUEST, 40, step=0)
    )
    rated = prices.rate(Usage(input_tokens=10, output_tokens=3, reasoning_output_tokens=1, web_search_calls=2))
    assert {each.token_class: each for each in rated.lines} == {
        TokenClass.INPUT: RatedLine(TokenClass.INPUT, 10, 7, Decimal(15)),
        TokenClass.OUTPUT: RatedLine(TokenClass.OUTPUT, 2, 8, Decimal(4)),
        TokenClass.REASONING: RatedLine(TokenClass.REASONING, 1, 8, Decimal(2)),
        TokenClass.REQUEST: RatedLine(TokenClass.REQUEST, 1, 9, Decimal(40)),
        TokenClass.WEB_SEARCH: RatedLine(TokenClass.WEB_SEARCH, 2, None, Decimal(0)),
    }
    assert rated.is_assumed is True
    assert prices.rate(Usage(input_tokens=10, output_tokens=3)).is_assumed is False


def test_an_unknown_tier_is_rated_at_the_step_of_the_dearest() -> None:
    prices = card(
        line(1, TokenClass.INPUT, 2),
        line(2, TokenClass.OUTPUT, 2),
        line(3, TokenClass.INPUT, 9, step=100),
        line(4, TokenClass.INPUT, 5, tier="priority"),
        line(5, TokenClass.OUTPUT, 5, tier="priority"),
    )
    charges = [
        prices.rate(Usage(input_tokens=count, output_tokens=0), service_tier="other").charge_nano for count in (99, 100)
    ]
    assert charges == [99 * 5, 100 * 9]


def test_what_has_no_price_at_all_says_how_to_give_it_one() -> None:
    with pytest.raises(NoPrice) as refusal:
        card().rate(Usage(input_tokens=1, output_tokens=0))
    assert refusal.value.message == "No price is in force for this model: add one with `bursar models add`."
    with pytest.raises(RequestUnpriced) as unpriced:
        card(line(1, TokenClass.INPUT, 2)).worst_case(Bound(input_tokens=1, choices=1))
    assert unpriced.value.message == "The model has no price for what this request can use: add its prices."
    with pytest.raises(TypeError, match="A price is a finite number, not Infinity"):
        card(line(1, TokenClass.INPUT, "Infinity"))


def test_media_prices_are_held_for_only_where_media_can_be_used() -> None:
    prices = card(
        line(1, TokenClass.INPUT, 2),
        line(2, TokenClass.OUTPUT, 3),
        line(3, TokenClass.INPUT_AUDIO, 50),
        line(4, TokenClass.OUTPUT_IMAGE, 70),
    )
    text, media = (prices.worst_case(Bound(input_tokens=10, choices=1, has_media=has)) for has in (False, True))
    assert (text.nano(1), media.nano(1)) == (10 * 2 + 3, 10 * 50 + 70)


def test_a_listed_price_stands_before_that_of_a_neighbour() -> None:
    prices = card(line(1, TokenClass.INPUT, 2), line(2, TokenClass.OUTPUT, 3), line(3, TokenClass.CACHE_WRITE, 7))
    rated = prices.rate(Usage(input_tokens=10, output_tokens=0, cache_write_input_tokens=10))
    assert (rated.charge_nano, rated.is_assumed, rated.lines[0].price_id) == (70, False, 3)
    assert card(line(2, TokenClass.OUTPUT, 3)).rate(Usage(input_tokens=1, output_tokens=1)).charge_nano == 3


def test_prices_that_begin_at_a_length_leave_shorter_requests_unpriced_and_marked() -> None:
    prices = card(line(1, TokenClass.INPUT, 2, step=100), line(2, TokenClass.OUTPUT, 3, step=100))
    short = prices.rate(Usage(input_tokens=0, output_tokens=5))
    assert (short.charge_nano, short.is_assumed) == (0, True)
    assert prices.rate(Usage(input_tokens=100, output_tokens=5)).charge_nano == 215


def test_a_price_does_not_hold_at_the_instant_it_ends() -> None:
    ended = line(1, TokenClass.INPUT, 2, since=NOW - timedelta(days=1), until=NOW)
    assert card(ended).tiers == frozenset()
    assert card(ended, at=NOW - timedelta(microseconds=1)).tiers == {"standard"}


def test_a_card_without_prices_holds_from_its_instant_for_good() -> None:
    empty = card()
    assert (empty.valid_from, empty.valid_to, empty.scale) == (NOW, END, 1)


def test_the_scale_is_as_fine_as_the_finest_price_and_no_finer() -> None:
    assert [card(line(1, TokenClass.INPUT, price)).scale for price in ("2", "200", "0.5", "0.050")] == [1, 1, 10, 100]


def test_a_neighbours_price_is_named_where_it_stands_in() -> None:
    prices = card(line(7, TokenClass.INPUT, 2), line(8, TokenClass.OUTPUT, 3))
    (rated,) = prices.rate(Usage(input_tokens=1, output_tokens=0, audio_input_tokens=1)).lines
    assert (rated.token_class, rated.price_id) == (TokenClass.INPUT_AUDIO, 7)


def test_using_nothing_costs_nothing_and_assumes_nothing() -> None:
    rated = card(line(1, TokenClass.INPUT, 2)).rate(Usage(input_tokens=0, output_tokens=0))
    assert (rated.charge_nano, rated.lines) == (0, ())
    assert rated.is_assumed is False


def test_only_the_output_is_held_for_where_only_the_output_may_be_media() -> None:
    prices = card(
        line(1, TokenClass.INPUT, "300"),
        line(2, TokenClass.INPUT_AUDIO, "1000"),
        line(3, TokenClass.OUTPUT, "2500"),
        line(4, TokenClass.OUTPUT_IMAGE, "30000"),
    )
    worst = prices.worst_case(Bound(input_tokens=10, choices=1, may_output_media=True))
    assert worst.nano(7) == 10 * 300 + 7 * 30_000


def test_what_has_no_output_needs_no_price_for_it() -> None:
    prices = card(line(1, TokenClass.INPUT, "150"))
    assert prices.worst_case(Bound(input_tokens=10, choices=0)).nano(0) == 1500
    with pytest.raises(RequestUnpriced):
        prices.worst_case(Bound(input_tokens=10, choices=1))
