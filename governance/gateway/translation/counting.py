"""Counts of tokens between wires: a client's question about its own request, put to a vendor's counter of another wire.

What is counted is the conversation as it would be sent. What shapes the answer alone (its maximum, how it is drawn,
where it stops) has no tokens, so it is left out, and refuses nothing that the conversation itself would be refused for.

Sources of what counters take: the packages anthropic 2.12 (`message_count_tokens_params`), openai 3.54
(`input_token_count_params`), and Google's REST reference of `countTokens`.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec

from governance.gateway.translation.canonical import Conversation, Destination, Dialect, Sampling
from governance.gateway.translation.circumstances import Circumstances
from governance.gateway.translation.gemini.spelling import respelt
from governance.gateway.translation.reading import answered
from governance.gateway.translation.translator import TranslatedRequest, Translation, refuse_silence
from governance.plugin.errors import RequestInvalid
from governance.plugin.splicing import Members, splice

_WRAPPING: Final = "generateContentRequest"
_LEAST_MAXIMUM: Final = {"max_tokens": 1}
"""Anthropic's conversations need a maximum, and its counts have none."""
_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Counted(msgspec.Struct):
    input_tokens: _Count


class _TotalCounted(msgspec.Struct, rename="camel"):
    """Protocol buffers leave a zero out."""

    total_tokens: _Count = 0


_counted = msgspec.json.Decoder(_Counted)
_total_counted = msgspec.json.Decoder(_TotalCounted)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Counter(msgspec.Struct, frozen=True, kw_only=True):
    """How one wire counts, both ways.

    `conversation` makes the body of a conversation of a client's question, `question` the other way round for a vendor;
    `total` reads a vendor's answer, `answer` writes a client's. `minds_thinking`: whether the model is to think decides
    what of earlier thoughts is counted.
    """

    conversation: Callable[[bytes], bytes]
    question: Callable[[bytes, Destination], bytes]
    total: Callable[[bytes], int]
    answer: Callable[[int], dict[str, Any]]
    minds_thinking: bool = False


class CountTranslation(Translation):
    """Between a client that counts in one wire and a vendor that counts in another. There are no streams of counts."""

    def __init__(self, *, client: Dialect, vendor: Dialect) -> None:
        super().__init__(client=client, vendor=vendor)
        self._asked = _COUNTERS[client]
        self._asks = _COUNTERS[vendor]

    def request(self, body: bytes, destination: Destination, *, is_streamed: bool = False) -> TranslatedRequest:
        """Translate the question. Raises RequestInvalid with what the vendor's wire has no words for, or is wrong."""
        conversation = self._client.read_request(self._asked.conversation(body), is_streamed=False)
        refuse_silence(conversation)
        counted = _of_input(conversation, minds_thinking=self._asks.minds_thinking)
        wanted = msgspec.structs.replace(destination, default_maximum_tokens=1)
        return TranslatedRequest(
            body=self._asks.question(self._vendor.write_request(counted, wanted), destination),
            is_streamed=False,
            wants_usage=False,
        )

    def answer(self, body: bytes, circumstances: Circumstances) -> bytes:
        """Translate the count. Raises AnswerUntranslatable."""
        return msgspec.json.encode(self._asked.answer(self._asks.total(body)))


def _of_input(conversation: Conversation, *, minds_thinking: bool) -> Conversation:
    """Return what of it the model reads."""
    return msgspec.structs.replace(
        conversation,
        allows_parallel_calls=None,
        sampling=Sampling(),
        stop=(),
        maximum_output_tokens=None,
        thinking=conversation.thinking if minds_thinking else None,
        verbosity=None,
        user_id=None,
        is_streamed=False,
    )


def _with_maximum(body: bytes) -> bytes:
    return splice(body, dict(_LEAST_MAXIMUM))


def _as_it_is(body: bytes) -> bytes:
    return body


def _unwrapped(body: bytes) -> bytes:
    """Google's own API takes contents alone, or a whole request in a wrapping; that of its cloud a request without."""
    members = Members(bytes(respelt(Members(body).body, field=None)))
    wrapped = members.values.get(_WRAPPING)
    if wrapped is None:
        return body
    beside = next((name for name in members.values if name not in (_WRAPPING, "model")), None)
    if beside is not None:
        raise RequestInvalid(
            f"The field {beside[:64]!r} stands beside {_WRAPPING!r}, which holds the whole request: put it there.",
            field=beside[:64],
        )
    return bytes(wrapped)


def _only(*names: str) -> Callable[[bytes, Destination], bytes]:
    """Return what keeps these fields of a conversation: its counter refuses others."""
    return lambda body, destination: msgspec.json.encode(
        {name: value for name, value in _object.decode(body).items() if name in names}
    )


def _wrapped(body: bytes, destination: Destination) -> bytes:
    return msgspec.json.encode({_WRAPPING: {"model": f"models/{destination.model}", **_object.decode(body)}})


_COUNTERS: Final = {
    Dialect.ANTHROPIC_MESSAGES: _Counter(
        conversation=_with_maximum,
        question=_only("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config"),
        total=lambda body: answered(body, _counted).input_tokens,
        answer=lambda total: {"input_tokens": total},
        minds_thinking=True,
    ),
    Dialect.GEMINI: _Counter(
        conversation=_unwrapped,
        question=_wrapped,
        total=lambda body: answered(body, _total_counted).total_tokens,
        answer=lambda total: {"totalTokens": total},
    ),
    Dialect.OPENAI_RESPONSES: _Counter(
        conversation=_as_it_is,
        question=_only("model", "input", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning"),
        total=lambda body: answered(body, _counted).input_tokens,
        answer=lambda total: {"object": "response.input_tokens", "input_tokens": total},
    ),
}
