"""One call's translation: the request there, the answer, its stream or its error back."""

import msgspec

from governance.gateway.translation import chat, gemini, messages, responses
from governance.gateway.translation.canonical import (
    NOTHING_ASKED,
    AnswerEnded,
    Asked,
    Conversation,
    Destination,
    Dialect,
    Event,
    Failed,
    Failure,
    Role,
)
from governance.gateway.translation.circumstances import Circumstances, StreamShape
from governance.gateway.translation.reading import AnswerUntranslatable
from governance.gateway.translation.statuses import UNAVAILABLE
from governance.gateway.translation.wires import EventReader, EventWriter, WireFormat
from governance.plugin.errors import RequestInvalid

_FORMATS: dict[Dialect, WireFormat] = {
    Dialect.OPENAI_CHAT: chat.FORMAT,
    Dialect.ANTHROPIC_MESSAGES: messages.FORMAT,
    Dialect.GEMINI: gemini.FORMAT,
    Dialect.OPENAI_RESPONSES: responses.FORMAT,
}
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_json = msgspec.json.Decoder()
_CUT_SHORT = Failure(
    status=UNAVAILABLE, message="The vendor's answer ended before it was complete: treat it as incomplete."
)
_TOO_LARGE = Failure(
    status=UNAVAILABLE,
    message="An event of the vendor's answer is too large to be translated: the answer is incomplete.",
)


class TranslatedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request in the vendor's wire. `wants_usage` is what the client asked of its stream, if `is_streamed`, and
    `asked` what the client's wire must know of it in the answer.
    """

    body: bytes
    is_streamed: bool
    wants_usage: bool
    asked: Asked = NOTHING_ASKED


class StreamTranslation:
    """One stream. What cannot be translated becomes the client's own error event, and nothing follows it."""

    def __init__(self, reader: EventReader, writer: EventWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._is_over = False

    def feed(self, data: bytes | None) -> bytes:
        """Return the client's bytes for the data of one event of the vendor's, without its framing.

        None is (a piece of) an event that was too large to be read, as `governance.plugin.sse` tells it.
        """
        if self._is_over or data == b"":
            return b""
        if data is None:
            return self._fail(_TOO_LARGE)
        try:
            events = self._reader.feed(data)
        except AnswerUntranslatable as error:
            return self._fail(Failure(status=UNAVAILABLE, message=str(error)))
        return self._written(events)

    def close(self) -> bytes:
        """Return the client's last bytes when the vendor's stream has ended: an error where it broke off."""
        written = b"" if self._is_over else self._written(self._reader.close())
        return written if self._is_over else written + self._fail(_CUT_SHORT)

    def _written(self, events: list[Event]) -> bytes:
        written: list[bytes] = []
        for event in events:
            try:
                written.append(self._writer.write(event))
            except AnswerUntranslatable as error:
                written.append(self._fail(Failure(status=UNAVAILABLE, message=str(error))))
                break
            self._is_over = isinstance(event, AnswerEnded | Failed)
        return b"".join(written)

    def _fail(self, failure: Failure) -> bytes:
        self._is_over = True
        return self._writer.write(Failed(failure))


class Translation:
    """Between a client of one wire and a vendor of another. Holds nothing of a call."""

    def __init__(self, *, client: Dialect, vendor: Dialect) -> None:
        self._client = _FORMATS[client]
        self._vendor = _FORMATS[vendor]

    def request(self, body: bytes, destination: Destination, *, is_streamed: bool = False) -> TranslatedRequest:
        """Translate a request. `is_streamed` counts for the Gemini wire alone, whose address says it.

        Raises RequestInvalid with a sentence and the field that the vendor's wire has no words for, or that is wrong.
        """
        conversation = self._client.read_request(body, is_streamed=is_streamed)
        _check(conversation)
        return TranslatedRequest(
            body=self._vendor.write_request(conversation, destination),
            is_streamed=conversation.is_streamed,
            wants_usage=conversation.wants_usage,
            asked=conversation.asked,
        )

    def answer(self, body: bytes, circumstances: Circumstances) -> bytes:
        """Translate a whole answer. Raises AnswerUntranslatable."""
        return self._client.write_answer(self._vendor.read_answer(body, circumstances), circumstances)

    def stream(self, circumstances: Circumstances, shape: StreamShape) -> StreamTranslation:
        """Open the translation of a stream."""
        return StreamTranslation(
            self._vendor.open_reader(circumstances), self._client.open_writer(circumstances, shape)
        )

    def error(self, status: int, body: bytes) -> bytes:
        """Translate an error reply, whose status stays; whatever its body is."""
        try:
            decoded = _json.decode(body.removeprefix(_BYTE_ORDER_MARK))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            decoded = None
        return self._client.write_failure(self._vendor.read_failure(status, decoded))


def refuse_silence(conversation: Conversation) -> None:
    """Raise RequestInvalid when nobody says anything."""
    if not conversation.messages:
        raise RequestInvalid("The request has no message that says anything: send at least one.", field="messages")


def _check(conversation: Conversation) -> None:
    """Refuse what no wire has words for, or what two wires understand differently."""
    refuse_silence(conversation)
    if conversation.messages[-1].role == Role.ASSISTANT:
        raise RequestInvalid(
            "The last message is the assistant's. Some vendors would go on with it and others answer it, so that it "
            "cannot be translated: end with a user's message.",
            field="messages",
        )
