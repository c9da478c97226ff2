"""Media that a conversation shows in OpenAI's wires: images by address or by value, and what else is no text."""

from typing import Final

import msgspec

from governance.plugin import reading
from governance.plugin.splicing import Members

_ADDRESSES: Final = ("http://", "https://")
_BY_VALUE: Final = "data:image/"

_string = msgspec.json.Decoder(str | None)


class ShownMedia:
    """Counts them. `details` has the level of detail of each image, empty where the vendor chooses it; `bytes` are what
    images by value take in the body.
    """

    __slots__ = ("bytes", "details", "inline", "remote")

    def __init__(self) -> None:
        self.remote = self.inline = self.bytes = 0
        self.details: list[str] = []

    def add_image(self, part: msgspec.Raw, *, holder: str, url: str, field: str) -> None:
        """Add a part with an image, whose address is the member `url` of the object `holder`, or of the part itself
        where `holder` is empty. What is stored at the vendor is no image: nobody knows what it is. Raises
        RequestInvalid.
        """
        values = Members(bytes(reading.plain(part))).values
        if holder:
            held = bytes(values.get(holder, b"{}"))
            values = Members(held if held.startswith(b"{") else b"{}").values
        address = reading.value(values, url, _string, f"a string in the images of {field!r}") or ""
        is_stored = reading.first_set(values, ("file_id",)) is not None
        if is_stored or not address.startswith((*_ADDRESSES, _BY_VALUE)):
            self.add_other(bytes(part))
            return
        if address.startswith(_BY_VALUE):
            self.inline += 1
            self.bytes += len(address)
        else:
            self.remote += 1
        detail = reading.value(values, "detail", _string, f"a string in the images of {field!r}") or ""
        self.details.append("" if detail == "auto" else detail.lower())

    def add_other(self, body: bytes) -> None:
        """Add a part that is neither text nor an image."""
        if b'"http' in body or b"file_id" in body:
            self.remote += 1
        else:
            self.inline += 1
