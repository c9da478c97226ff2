"""The installed price sources, imported whole."""

import pytest

from governance.audit.models import AuditEvent
from governance.catalog.importing import import_catalogue
from governance.catalog.models import LanguageModel, Price, PriceBook
from governance.core.plugins import load_plugins
from tests.support.company import ACTOR, NOW

VENDORS = {"openai", "anthropic", "gemini", "qwen", "glm", "deepseek", "xai"}


@pytest.mark.django_db
def test_every_source_imports_whole_and_a_second_time_changes_nothing() -> None:
    sources = load_plugins().price_sources
    assert set(sources) == {"bursar-catalogue", "genai-prices"}
    catalogues = [source.read(providers=()) for source in sources.values()]
    first = [import_catalogue(actor=ACTOR, at=NOW, catalogue=catalogue) for catalogue in catalogues]
    assert [result.refused for result in first] == [(), ()]
    assert set(LanguageModel.objects.values_list("provider", flat=True)) >= VENDORS
    kept = list(Price.objects.order_by("id").values())
    events = AuditEvent.objects.count()
    second = [import_catalogue(actor=ACTOR, at=NOW, catalogue=catalogue) for catalogue in catalogues]
    assert {(result.models_added, result.models_changed, result.prices_opened) for result in second} == {(0, 0, 0)}
    assert list(Price.objects.order_by("id").values()) == kept
    assert AuditEvent.objects.count() == events
    assert PriceBook.objects.exclude(snapshot_sha256="").count() == 2
