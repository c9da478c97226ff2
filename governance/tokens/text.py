"""The text of a token: `bst_<public id>_<secret>_<checksum>`, a virtual key's with another beginning. Pure."""

from typing import Final

from governance.keys.errors import KeyTextInvalid
from governance.keys.secret import PREFIX as KEY_PREFIX
from governance.keys.secret import KeySecretText, parse_secret
from governance.tokens.errors import TokenInvalid

PREFIX: Final = "bst"


def token_text(made: KeySecretText) -> str:
    """Return the whole text, as it is shown once."""
    return PREFIX + made.text().removeprefix(KEY_PREFIX)


def parse_token(text: str) -> KeySecretText:
    """Read a token's text. Raises TokenInvalid; never asks the database, never repeats the text."""
    if text.startswith(f"{KEY_PREFIX}_"):
        raise TokenInvalid(
            "This is a virtual key, which is for calling models: the management API wants a token (bst_...). "
            "Make one with `bursar token issue`."
        )
    beginning, _, rest = text.partition("_")
    try:
        if beginning != PREFIX:
            raise KeyTextInvalid("another beginning")
        return parse_secret(f"{KEY_PREFIX}_{rest}")
    except KeyTextInvalid as error:
        raise TokenInvalid(
            "This is no token of Bursar's, or it has a typing error: a token begins with bst_ and has 67 characters. "
            "Copy it again as a whole, or make a new one with `bursar token issue`."
        ) from error
