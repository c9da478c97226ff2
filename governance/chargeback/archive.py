"""All files of a closed month in one ZIP: statements and manifest. The same month gives the same bytes, any day."""

import hashlib
import io
import zipfile

import msgspec

from governance.chargeback.closing import final_statements
from governance.chargeback.errors import MonthNotReady
from governance.chargeback.manifest import file_names
from governance.chargeback.models import MonthClose

_WHEN = (1980, 1, 1, 0, 0, 0)
"""ZIP keeps a time for each file; that of making it would make every archive another one."""
_ORDINARY_FILE = 0o100644 << 16


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """The file, what to call it, and its SHA-256."""

    name: str
    content: bytes
    sha256: str


def month_archive(*, close: MonthClose) -> Archive:
    """Return the archive of a month. Raises MonthNotReady where it is not closed yet."""
    if close.state != MonthClose.State.CLOSED:
        raise MonthNotReady(f"{close.month:%Y-%m} is {close.state}: its files are final once it is closed.")
    out = io.BytesIO()
    # Stored, not compressed: what a compressor makes of the same bytes changes with its version.
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "manifest.json", bytes(close.manifest))
        statements = final_statements(organisation=close.organisation, month=close.month)
        for name, statement in zip(file_names(statements), statements, strict=True):
            _add(archive, name, bytes(statement.content))
    content = out.getvalue()
    name = f"statements-{close.month:%Y-%m}.zip"
    return Archive(name=name, content=content, sha256=hashlib.sha256(content).hexdigest())


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=_WHEN)
    entry.external_attr = _ORDINARY_FILE
    entry.create_system = 3
    archive.writestr(entry, content)
