"""The face that every wire has, so that a translation needs to know none of them."""

from typing import Any, Protocol

import msgspec

from governance.gateway.translation.canonical import Answer, Conversation, Destination, Event, Failure
from governance.gateway.translation.circumstances import Circumstances, StreamShape


class RequestReader(Protocol):
    """Reads a client's request. `is_streamed` is what its address says, of a wire whose body does not say it."""

    def __call__(self, body: bytes, *, is_streamed: bool) -> Conversation:
        """Raises RequestInvalid with the field that cannot be said or is wrong."""


class RequestWriter(Protocol):
    """Writes a vendor's request."""

    def __call__(self, conversation: Conversation, destination: Destination) -> bytes:
        """Raises RequestInvalid for what the wire has no words for."""


class AnswerReader(Protocol):
    """Reads a vendor's whole answer."""

    def __call__(self, body: bytes, circumstances: Circumstances) -> Answer:
        """Raises AnswerUntranslatable."""


class AnswerWriter(Protocol):
    """Writes a client's whole answer."""

    def __call__(self, answer: Answer, circumstances: Circumstances) -> bytes:
        """Raises AnswerUntranslatable."""


class EventReader(Protocol):
    """Reads a vendor's stream. Must not raise on unknown events."""

    def feed(self, data: bytes) -> list[Event]:
        """Return what the data of one event says. Raises AnswerUntranslatable when it is not the wire's."""

    def close(self) -> list[Event]:
        """Return what the end of the stream says: nothing, if the answer is incomplete."""


class EventReaderOpener(Protocol):
    """Opens a reader for one stream."""

    def __call__(self, circumstances: Circumstances) -> EventReader:
        """Return a new reader."""


class EventWriter(Protocol):
    """Writes a client's stream."""

    def write(self, event: Event) -> bytes:
        """Return the bytes of this event. Raises AnswerUntranslatable."""


class EventWriterOpener(Protocol):
    """Opens a writer for one stream."""

    def __call__(self, circumstances: Circumstances, shape: StreamShape) -> EventWriter:
        """Return a new writer."""


class FailureReader(Protocol):
    """Reads a vendor's error reply, whose body is decoded JSON, or None where it is not JSON."""

    def __call__(self, status: int, body: Any) -> Failure:
        """Return what it says, whatever its shape."""


class FailureWriter(Protocol):
    """Writes a client's error reply."""

    def __call__(self, failure: Failure) -> bytes:
        """Return its body."""


class WireFormat(msgspec.Struct, frozen=True, kw_only=True):
    """One wire, both ways."""

    read_request: RequestReader
    write_request: RequestWriter
    read_answer: AnswerReader
    write_answer: AnswerWriter
    open_reader: EventReaderOpener
    open_writer: EventWriterOpener
    read_failure: FailureReader
    write_failure: FailureWriter
