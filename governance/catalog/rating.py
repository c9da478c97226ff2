"""Usage times price, pure and exact: the one function that turns usage into cost, and the bound of what it can be.

Inside, money is an integer of 1/scale nano-USD, where the scale is a power of ten that makes every price of the card
an integer: sums and products are exact, and fast enough for the request path.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from governance.catalog.hours import QUARTER, deciding, quarter_of
from governance.core.errors import BursarError, RequestUnpriced
from governance.core.money import EXACT
from governance.core.windows import END
from governance.plugin.provider import Bound
from governance.plugin.usage import INPUT_CLASSES, OUTPUT_CLASSES, UNIT_CLASSES, TokenClass, Usage

RATING_RULE = 1
"""The version of the rules in this file, kept on every usage record."""

STANDARD = "standard"
_STANDARD_ONLY = (STANDARD,)

_QUARTERS_AHEAD = 2
"""An attempt lasts half an hour at most (the gateway's `total_seconds`): into the second quarter after its own."""

_MEDIA_CLASSES = frozenset(
    {TokenClass.INPUT_AUDIO, TokenClass.INPUT_IMAGE, TokenClass.OUTPUT_AUDIO, TokenClass.OUTPUT_IMAGE}
)

_SAME_PRICE = {TokenClass.CACHE_READ: TokenClass.INPUT, TokenClass.REASONING: TokenClass.OUTPUT}
"""A vendor that lists no price for these bills them as the class they belong to."""

_REQUEST = TokenClass.REQUEST
_UNPRICED = frozenset({_REQUEST, *UNIT_CLASSES})
"""What is counted of every call of its kind, and billed only where a vendor has a price for it."""

_ASSUMED_PRICE = {
    TokenClass.CACHE_READ_EXPLICIT: TokenClass.CACHE_READ,
    TokenClass.CACHE_WRITE: TokenClass.INPUT,
    TokenClass.CACHE_WRITE_LONG: TokenClass.CACHE_WRITE,
    TokenClass.INPUT_AUDIO: TokenClass.INPUT,
    TokenClass.INPUT_IMAGE: TokenClass.INPUT,
    TokenClass.OUTPUT_AUDIO: TokenClass.OUTPUT,
    TokenClass.OUTPUT_IMAGE: TokenClass.OUTPUT,
}
"""Without a listed price these are rated as their neighbour, and the record is marked estimated."""


class NoPrice(BursarError):
    """No price is in force for the model at that instant."""

    code = "price_missing"
    http_status = 400


class PriceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One price of the catalogue: exact nano-USD per token or call, in force `[effective_from, effective_to)`, where
    `hours` are not empty at those alone (hours.py).
    """

    id: int
    token_class: TokenClass
    nano_per_unit: Decimal
    from_input_tokens: int
    service_tier: str
    effective_from: datetime
    effective_to: datetime | None
    hours: str = ""


class Rate(msgspec.Struct, frozen=True):
    """One class's price at one step: `amount` in 1/scale nano-USD per unit. `is_assumed`: a neighbour's price."""

    amount: int
    price_id: int
    is_assumed: bool


class Step(msgspec.Struct, frozen=True):
    """The rates that apply to the whole request when its input is at least `from_input_tokens`.

    `dearest` has the dearest amount among the prices of input or output tokens, with and without media: one per
    (classes, has_media), where there is any. `units` are the classes beside tokens that have a price.
    """

    from_input_tokens: int
    rates: Mapping[TokenClass, Rate]
    dearest: Mapping[tuple[frozenset[TokenClass], bool], int]
    units: frozenset[TokenClass]


class RatedLine(msgspec.Struct, frozen=True):
    """One class of one attempt. `cost_nano` is exact. `price_id` is None where no price was known."""

    token_class: TokenClass
    quantity: int
    price_id: int | None
    cost_nano: Decimal


class Rated(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt cost. `charge_nano` is the ceiling of the exact `cost_nano`."""

    lines: tuple[RatedLine, ...]
    cost_nano: Decimal
    charge_nano: int
    is_assumed: bool


class WorstCase(msgspec.Struct, frozen=True, kw_only=True):
    """A linear bound in 1/scale nano-USD: `fixed + per_output_token * maximum` per attempt, all choices included."""

    fixed: int
    per_output_token: int
    scale: int

    def nano(self, max_output_tokens: int) -> int:
        """Return the bound in nano-USD, rounded up."""
        return -(-(self.fixed + self.per_output_token * max_output_tokens) // self.scale)

    def affordable_output_tokens(self, nano: int) -> int:
        """Return the largest maximum whose bound fits into this much money; negative when even none does."""
        left = nano * self.scale - self.fixed
        if left < 0:
            return -1
        return left // self.per_output_token if self.per_output_token else 2**40


class RateCard:
    """The prices of one model in force from `valid_from` until `valid_to`. Immutable.

    Usage is rated at the prices of the instant. Where prices depend on the hour, the worst case is the dearest of all
    that hold while an attempt may last: vendors do not say which instant of it they bill by.
    """

    def __init__(self, lines: Iterable[PriceLine], *, at: datetime) -> None:
        every = list(lines)
        current = [line for line in every if line.effective_from <= at and at < (line.effective_to or END)]
        changes = [edge for line in every for edge in (line.effective_from, line.effective_to or END)]
        self.valid_from = max((edge for edge in changes if edge <= at), default=at)
        self.valid_to = min((edge for edge in changes if edge > at), default=END)
        self._digits = max((_digits(line.nano_per_unit) for line in current), default=0)
        self.scale = 10**self._digits
        self._unit = Decimal(1).scaleb(-self._digits, EXACT)
        self._tiers = _tiers_of(deciding(current, at=at), self._digits)
        self._ahead = [self._tiers]
        if any(line.hours for line in current):
            begins = quarter_of(at)
            self.valid_from, self.valid_to = max(self.valid_from, begins), min(self.valid_to, begins + QUARTER)
            later = [deciding(current, at=begins + number * QUARTER) for number in range(1, _QUARTERS_AHEAD + 1)]
            self._ahead += [_tiers_of(lines, self._digits) for lines in later]

    @property
    def tiers(self) -> frozenset[str]:
        """Return the service tiers that have prices."""
        return frozenset(self._tiers)

    def worst_case(self, bound: Bound) -> WorstCase:
        """Return the dearest this bound can become, over every reachable tier and step, while an attempt may last.

        Raises RequestUnpriced when a reachable tier or a paid call has no price.
        """
        fixed = per_output = 0
        for tiers in self._ahead:
            for tier in bound.service_tiers or _STANDARD_ONLY:
                for step in _steps_of(tiers, tier):
                    if step.from_input_tokens > bound.input_tokens:
                        break
                    fixed = max(fixed, _fixed(step, bound))
                    if bound.choices:
                        per_output = max(per_output, _dearest(step, OUTPUT_CLASSES, bound) * bound.choices)
        return WorstCase(fixed=fixed, per_output_token=per_output, scale=self.scale)

    def rate(self, usage: Usage, *, service_tier: str = STANDARD) -> Rated:
        """Return the exact cost of this usage. A tier without prices is rated as the dearest one and marked."""
        counts = usage.counts()
        steps = self._tiers.get(service_tier)
        if steps is None:
            every = [self._rate_at(_step_for(steps, counts), counts, is_assumed=True) for steps in self._tiers.values()]
            if not every:
                raise NoPrice("No price is in force for this model: add one with `bursar models add`.")
            return max(every, key=lambda rated: rated.cost_nano)
        return self._rate_at(_step_for(steps, counts), counts, is_assumed=False)

    def _rate_at(self, step: Step, counts: Mapping[TokenClass, int], *, is_assumed: bool) -> Rated:
        total = 0
        lines: list[RatedLine] = []
        is_without_price = False
        for token_class, quantity in counts.items():
            if not quantity:
                continue
            rate = step.rates.get(token_class)
            if rate is None:
                is_without_price = is_without_price or token_class is not _REQUEST
                if token_class in _UNPRICED:
                    continue
            amount = quantity * rate.amount if rate else 0
            is_assumed = is_assumed or rate is None or rate.is_assumed
            total += amount
            cost = EXACT.multiply(amount, self._unit)
            lines.append(RatedLine(token_class, quantity, rate.price_id if rate else None, cost))
        if is_without_price and (step.units or not UNIT_CLASSES.isdisjoint(counts)):
            _refuse_unpriced(lines)
        return Rated(
            lines=tuple(lines),
            cost_nano=EXACT.multiply(total, self._unit),
            charge_nano=-(-total // self.scale),
            is_assumed=is_assumed,
        )


class RateTable:
    """All dated prices of one model; hands out the card in force."""

    def __init__(self, lines: Iterable[PriceLine]) -> None:
        self._lines = tuple(lines)
        self._card: RateCard | None = None

    def card_at(self, at: datetime) -> RateCard:
        """Return the card in force at this instant. Raises NoPrice when no standard price is."""
        card = self._card
        if card is None or not card.valid_from <= at < card.valid_to:
            card = self._card = RateCard(self._lines, at=at)
        if STANDARD not in card.tiers:
            raise NoPrice("The model has no price in force, so it cannot be called: add one with `bursar models add`.")
        return card


def _refuse_unpriced(lines: list[RatedLine]) -> None:
    """Raise NoPrice where media are reported in one unit and priced in another: nothing proves that they were free."""
    if all(line.price_id is None for line in lines):
        raise NoPrice("The model has no price for anything that was used: add it with `bursar models add`.")


def is_listed_price(token_class: TokenClass, *, listed_for: TokenClass) -> bool:
    """Return whether a price listed for that class is what this one is billed at, not one assumed for it."""
    return listed_for in (token_class, _SAME_PRICE.get(token_class))


def _tiers_of(lines: list[PriceLine], digits: int) -> dict[str, tuple[Step, ...]]:
    tiers = {line.service_tier for line in lines}
    return {tier: _steps([line for line in lines if line.service_tier == tier], digits) for tier in tiers}


def _steps_of(tiers: Mapping[str, tuple[Step, ...]], tier: str) -> tuple[Step, ...]:
    """Return the steps of a tier, ascending by where they begin."""
    steps = tiers.get(tier)
    if not steps:
        raise RequestUnpriced(
            f"The model has no price for the service tier {tier!r}: ask for another tier, or add its prices."
        )
    return steps


def _digits(price: Decimal) -> int:
    exponent = price.normalize(EXACT).as_tuple().exponent
    if not isinstance(exponent, int):
        raise TypeError(f"A price is a finite number, not {price}.")
    return max(0, -exponent)


def _steps(lines: list[PriceLine], digits: int) -> tuple[Step, ...]:
    starts = sorted({0, *(line.from_input_tokens for line in lines)})
    steps = []
    for start in starts:
        rates: dict[TokenClass, Rate] = {}
        for line in sorted(lines, key=lambda line: line.from_input_tokens):
            if line.from_input_tokens <= start:
                rates[line.token_class] = Rate(int(line.nano_per_unit.scaleb(digits, EXACT)), line.id, is_assumed=False)
        rates = _with_neighbours(rates)
        steps.append(Step(start, rates, _dearest_of(rates), UNIT_CLASSES & rates.keys()))
    return tuple(steps)


def _with_neighbours(listed: dict[TokenClass, Rate]) -> dict[TokenClass, Rate]:
    rates = dict(listed)
    for token_class, neighbour in _SAME_PRICE.items():
        if neighbour in rates:
            rates.setdefault(token_class, rates[neighbour])
    for token_class, neighbour in _ASSUMED_PRICE.items():
        if token_class not in rates and neighbour in rates:
            rates[token_class] = Rate(rates[neighbour].amount, rates[neighbour].price_id, is_assumed=True)
    return rates


def _step_for(steps: tuple[Step, ...], counts: Mapping[TokenClass, int]) -> Step:
    if len(steps) == 1:
        return steps[0]
    whole_input = sum(counts[token_class] for token_class in INPUT_CLASSES)
    return [step for step in steps if step.from_input_tokens <= whole_input][-1]


def _dearest_of(rates: Mapping[TokenClass, Rate]) -> dict[tuple[frozenset[TokenClass], bool], int]:
    found = {}
    for classes in (INPUT_CLASSES, OUTPUT_CLASSES):
        for has_media in (False, True):
            reachable = classes if has_media else classes - _MEDIA_CLASSES
            amounts = [rates[token_class].amount for token_class in reachable if token_class in rates]
            if amounts:
                found[classes, has_media] = max(amounts)
    return found


def _dearest(step: Step, classes: frozenset[TokenClass], bound: Bound) -> int:
    has_media = bound.has_media or (bound.may_output_media and classes is OUTPUT_CLASSES)
    amount = step.dearest.get((classes, has_media))
    if amount is None:
        raise RequestUnpriced("The model has no price for what this request can use: add its prices.")
    return amount


def _fixed(step: Step, bound: Bound) -> int:
    fixed = 0
    if step.units:
        fixed += _units(step, bound)
    if not step.units or (INPUT_CLASSES, False) in step.dearest:
        fixed += bound.input_tokens * _dearest(step, INPUT_CLASSES, bound)
        if bound.output_tokens:
            fixed += bound.output_tokens * _dearest(step, OUTPUT_CLASSES, bound)
    if TokenClass.REQUEST in step.rates:
        fixed += step.rates[TokenClass.REQUEST].amount
    for token_class in bound.priced:
        if token_class in UNIT_CLASSES and token_class not in step.rates:
            raise RequestUnpriced(
                f"The model has no price by {token_class}, and the catalogue has no bound for the tokens that this "
                "request can use of it: whoever administers Bursar can add one with `bursar models add --bound`."
            )
        if token_class not in step.rates or step.rates[token_class].is_assumed:
            raise RequestUnpriced(f"The model has no price for {token_class}: ask for less, or add its price.")
    for token_class, calls in bound.calls.items():
        if token_class not in step.rates:
            raise RequestUnpriced(f"The model has no price for {token_class}: leave that tool out, or add its price.")
        fixed += calls * step.rates[token_class].amount
    return fixed


def _units(step: Step, bound: Bound) -> int:
    """Return what can come of the prices beside tokens. Each must be bounded: the vendor bills it."""
    for token_class in step.units:
        if token_class not in bound.units:
            raise RequestUnpriced(
                f"The model is priced by {token_class}, and nothing bounds how many this request can use: call it as "
                "its vendor means it to be called."
            )
    return sum(bound.units[token_class] * step.rates[token_class].amount for token_class in step.units)
