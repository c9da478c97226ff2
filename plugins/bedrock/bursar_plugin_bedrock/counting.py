"""Counts of tokens: `CountTokens`, which takes the body of an InvokeModel in base64 inside one of its own, for nothing.

It knows models by their own ids alone, not by inference profiles, and not all of them: AWS says of those it does not
know that they are counted at `bedrock-mantle`, where Anthropic's own `count_tokens` is. Sources:
docs.aws.amazon.com/bedrock ("Monitor your token usage by counting tokens before running inference", API reference of
CountTokens); the service's model in botocore 1.44.8.
"""

import re
from base64 import b64encode
from typing import Annotated, Final

import msgspec

from governance.plugin.splicing import splice

_PROFILE: Final = re.compile(r"[a-z-]+\.(?=anthropic\.)")


class _Thinking(msgspec.Struct):
    budget_tokens: int | None = None


class _Asked(msgspec.Struct):
    thinking: _Thinking | None = None


class _Counted(msgspec.Struct, rename="camel"):
    input_tokens: Annotated[int, msgspec.Meta(ge=0)]


_asked = msgspec.json.Decoder(_Asked)
_counted = msgspec.json.Decoder(_Counted)


def base_model(model: str) -> str:
    """Return the name of the model itself, where this is that of a cross-region inference profile."""
    return _PROFILE.sub("", model, count=1) if _PROFILE.match(model) else model


def question(body: bytes) -> bytes:
    """Return what is sent in place of this count in Anthropic's wire. InvokeModel needs a maximum, which must be above
    a budget for thinking; a count has none.
    """
    asked = splice(body, {"max_tokens": 1 + max(0, _budget(body))})
    return msgspec.json.encode({"input": {"invokeModel": {"body": b64encode(asked).decode()}}})


def answer(body: bytes) -> bytes:
    """Return the count as Anthropic's API has it; as it is, where it is none."""
    try:
        return msgspec.json.encode({"input_tokens": _counted.decode(body).input_tokens})
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body


def _budget(body: bytes) -> int:
    """Return the budget for thinking; 0 where there is none, or one that the vendor itself will refuse."""
    try:
        thinking = _asked.decode(body).thinking
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0
    return (thinking.budget_tokens or 0) if thinking is not None else 0
