"""Streams without events, such as audio: every piece is passed on as it comes, and shown to the meter."""

from governance.plugin.sse import ServerSentEvent


class PieceSplitter:
    """Stands where others cut a stream into events. There is nothing to cut, and no place to tell an error in."""

    __slots__ = ()

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the piece as it is."""
        return [ServerSentEvent(chunk, chunk)]

    def close(self) -> list[ServerSentEvent]:
        """Return nothing: nothing is kept back."""
        return []
