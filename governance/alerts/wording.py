"""A company's own words for what it is told: Django templates in a folder of the operator's, else Bursar's words.

`threshold.txt`, `drift.txt`, `change.txt` and `test.txt` get the notice's facts by name, and what Bursar would say as
`usual_subject` and `usual_text`. The first line is the subject, what follows the text. Key and facts of a notice stay
as they are: programs go by those.
"""

from enum import StrEnum
from pathlib import Path

import msgspec
import structlog
from django.template import Context, Engine, TemplateDoesNotExist, TemplateSyntaxError

from governance.plugin.notifier import Notice

FOLDER = Path("templates") / "alerts"
"""Below BURSAR_HOME."""
_LONGEST = 20_000
_log = structlog.get_logger(__name__)


class Kind(StrEnum):
    """What a notice is about, and the name of its template."""

    THRESHOLD = "threshold"
    DRIFT = "drift"
    CHANGE = "change"
    TEST = "test"


def worded(notice: Notice, *, kind: Kind, home: Path) -> Notice:
    """Return the notice in the words of the operator's template; as it is where there is none, or it does not work."""
    if not (home / FOLDER / f"{kind}.txt").exists():
        return notice
    # Plain text: what escapes names for HTML would only spoil them.
    engine = Engine(dirs=[str(home / FOLDER)], autoescape=False, string_if_invalid="")
    usual = {"usual_subject": notice.subject, "usual_text": notice.text}
    context = Context({**notice.facts, **usual}, autoescape=False)
    try:
        said = engine.get_template(f"{kind}.txt").render(context)
    except (TemplateDoesNotExist, TemplateSyntaxError, OSError, UnicodeDecodeError, ValueError, TypeError) as error:
        _log.warning("alert_template_failed", template=f"{kind}.txt", reason=f"{type(error).__name__}: {error}")
        return notice
    subject, _, text = said[:_LONGEST].strip().partition("\n")
    if not subject.strip() or not text.strip():
        _log.warning("alert_template_failed", template=f"{kind}.txt", reason="It says no subject, or no text.")
        return notice
    return msgspec.structs.replace(notice, subject=subject.strip(), text=text.strip())
