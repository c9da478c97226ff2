"""Answers that are files."""

from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import JSONRenderer

from governance.chargeback.spreadsheet import XLSX


class FileRenderer(JSONRenderer):
    """The bytes of a file as they are; an error as JSON."""

    media_type = "text/csv"
    format = "csv"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """Return the bytes."""
        if isinstance(data, bytes):
            return data
        rendered: bytes = super().render(data, accepted_media_type, renderer_context)
        return rendered


class ZipRenderer(FileRenderer):
    """The same of an archive."""

    media_type = "application/zip"
    format = "zip"


class SpreadsheetRenderer(FileRenderer):
    """The same of a spreadsheet."""

    media_type = XLSX
    format = "xlsx"
