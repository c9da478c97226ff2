"""Prices in the catalogue, and calls that cost what these prices say: books as the gateway leaves them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from governance.budgets.models import Account
from governance.catalog.models import LanguageModel, Price, PriceBook
from governance.catalog.queries import rate_tables
from governance.core.windows import BEGINNING
from governance.keys.models import VirtualKey
from governance.plugin.usage import Usage
from tests.support.finance_world import NOVEMBER, Call


def set_prices(
    model: LanguageModel,
    nano: Mapping[str, str | Decimal],
    *,
    tier: str = "standard",
    since: datetime = BEGINNING,
    until: datetime | None = None,
) -> None:
    """Make these the only prices of the model in that time, as if the catalogue had never said anything else."""
    book, _ = PriceBook.objects.get_or_create(name="manual", defaults={"rank": 10, "source": "manual"})
    for price in Price.objects.filter(model=model, service_tier=tier, effective_from=since):
        if price.token_class not in nano or price.nano_per_unit != Decimal(nano[price.token_class]):
            price.delete()
    for token_class, amount in nano.items():
        Price.objects.get_or_create(
            book=book,
            model=model,
            token_class=token_class,
            nano_per_unit=Decimal(amount),
            service_tier=tier,
            effective_from=since,
            effective_to=until,
            source="test",
        )


def priced_call(
    key: VirtualKey,
    model: LanguageModel,
    usage: Usage,
    *,
    at: datetime = NOVEMBER,
    accounts: Sequence[Account] = (),
    tier: str = "standard",
) -> Call:
    """Return a call that costs what the catalogue says now for its time."""
    rated = rate_tables(model_ids=[model.pk])[model.pk].card_at(at).rate(usage, service_tier=tier)
    return Call(
        key,
        model,
        {line.token_class: (line.quantity, f"{line.cost_nano:f}") for line in rated.lines},
        at=at,
        accounts=accounts,
        price_ids=[line.price_id for line in rated.lines],
        is_estimated=rated.is_assumed,
        service_tier=tier,
    )
