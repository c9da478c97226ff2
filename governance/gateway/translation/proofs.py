"""Carries a vendor's signature through another vendor's wire, so that it finds its way back.

A wire has one field for signatures and no field for whose they are. A signature of another vendor's is therefore
marked with its origin: a client sends it back as it came, and the reader knows whom it is for.
"""

from governance.gateway.translation.canonical import Dialect, Reasoning

_MARK = "bursar:"
_ORIGINS = frozenset(dialect.value for dialect in Dialect)


def marked(thought: Reasoning) -> str:
    """Return the signature with its origin; also of a thought that has none, so that it is known again."""
    kind = "redacted" if thought.is_redacted else "proof" if thought.proof is not None else "none"
    return f"{_MARK}{thought.origin}:{kind}:{thought.proof or ''}"


def unmarked(signature: str, text: str) -> Reasoning | None:
    """Return the thought that was marked so; None when the signature is not marked, or its mark was spoilt."""
    if not signature.startswith(_MARK):
        return None
    origin, _, rest = signature.removeprefix(_MARK).partition(":")
    kind, _, proof = rest.partition(":")
    if origin not in _ORIGINS or kind not in ("redacted", "proof", "none"):
        return None
    return Reasoning(text, Dialect(origin), None if kind == "none" else proof, kind == "redacted")
