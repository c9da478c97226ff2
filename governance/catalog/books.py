"""The price books there are by name, and their rank: the lowest one with any price of a model decides."""

from django.db.models import Max

from governance.catalog.models import PriceBook

MANUAL = "manual"
MANUAL_RANK = 10
_KNOWN_RANKS = {MANUAL: MANUAL_RANK, "bursar-catalogue": 20, "genai-prices": 30}
_RANK_STEP = 10


def book_for(*, source: str) -> PriceBook:
    """Return the book of this source, locked; make it on first use, behind all others unless its rank is known."""
    book, _ = PriceBook.objects.get_or_create(name=source, defaults={"rank": _free_rank(source), "source": source})
    return PriceBook.objects.select_for_update(no_key=True).get(pk=book.pk)


def _free_rank(source: str) -> int:
    if source in _KNOWN_RANKS:
        return _KNOWN_RANKS[source]
    last = PriceBook.objects.aggregate(last=Max("rank"))["last"] or 0
    return max(last, *_KNOWN_RANKS.values()) + _RANK_STEP
