"""Images as addresses and as data: what the wires share about them."""

import re

from governance.gateway.translation.canonical import InlineImage, LinkedImage
from governance.gateway.translation.reading import unsayable

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,([A-Za-z0-9+/_-]*=*)\Z", re.ASCII)
_WEB = ("https://", "http://")


def image_of_url(url: str, *, field: str) -> InlineImage | LinkedImage:
    """Read an address: the image itself in a data URL, or where the vendor finds it. Raises RequestInvalid."""
    if url.startswith(_WEB):
        return LinkedImage(url)
    if (found := _DATA_URL.match(url)) is None:
        raise unsayable(
            "url", "send an http or https address, or the image itself as data:image/...;base64,...", within=field
        )
    return inline_image(found[1], found[2], field=field)


def inline_image(media_type: str, data: str, *, field: str) -> InlineImage:
    """Return the image. Raises RequestInvalid when it is something else, such as audio or a document."""
    if not media_type.startswith("image/"):
        raise unsayable(media_type, "of media only images are translated; send text or an image", within=field)
    return InlineImage(media_type, data)


def url_of_image(image: InlineImage | LinkedImage) -> str:
    """Return the address, a data URL where the image is given by value."""
    if isinstance(image, LinkedImage):
        return image.url
    return f"data:{image.media_type};base64,{image.data}"
