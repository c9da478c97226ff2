"""The operators' guide names every variable and every file it should."""

import re
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_VARIABLE = re.compile(r'"(BURSAR_[A-Z_]+|DATABASE_URL|CELERY_BROKER_URL)"')


def test_every_variable_that_is_read_is_explained() -> None:
    own = [_ROOT / "governance/core/environment.py", _ROOT / "governance/config/settings.py"]
    sources = [*own, *_ROOT.glob("plugins/*/bursar_plugin_*/*.py")]
    read = {name for source in sources for name in _VARIABLE.findall(source.read_text())}
    assert "BURSAR_WEBHOOK_SECRET" in read
    guide = (_ROOT / "docs/operators.md").read_text()
    assert len(read) > 20
    assert [name for name in sorted(read) if f"`{name}`" not in guide] == []


def test_every_guide_the_readme_names_exists_or_is_a_room() -> None:
    readme = (_ROOT / "README.md").read_text()
    own = {"docs/operators.md", "LICENSE", "CHANGELOG.md"}
    linked = set(re.findall(r"\]\(([A-Za-z./-]+)\)", readme))
    assert own <= {link for link in linked if (_ROOT / link).is_file()}
