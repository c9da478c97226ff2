"""Signatures in the Gemini wire, whose field for them holds bytes: another vendor's is marked, and then base64."""

import base64
import binascii

from governance.gateway.translation import proofs
from governance.gateway.translation.canonical import Dialect, Reasoning

UNSIGNED = "skip_thought_signature_validator"
"""What Google's models take in place of their own signature on a call that another vendor's model made."""


def marked(thought: Reasoning) -> str:
    """Return another vendor's signature for the field `thoughtSignature`."""
    return base64.urlsafe_b64encode(proofs.marked(thought).encode()).decode()


def unmarked(signature: str, text: str) -> Reasoning:
    """Return the thought that is signed so: another vendor's if it is marked, else Gemini's own."""
    try:
        spelt = base64.b64decode(signature.replace("-", "+").replace("_", "/"), validate=True).decode()
    except (binascii.Error, ValueError):
        spelt = ""
    return proofs.unmarked(spelt, text) or Reasoning(text, Dialect.GEMINI, signature)
