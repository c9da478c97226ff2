"""What the children say, line by line, each with the child's name before it."""

import os
import selectors
import sys
from typing import IO

_READ_BYTES = 65536
_LONGEST_LINE_BYTES = 65536
_NAME_WIDTH = 10
_COLOURS = (36, 33, 35, 32, 34, 96, 93, 95)


class Output:
    """Collects the children's pipes and prints whole lines. One thread, no locks."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream if stream is not None else sys.stdout
        self._is_coloured = self._stream.isatty()
        self._selector = selectors.DefaultSelector()
        self._rests: dict[int, bytes] = {}
        self._colours: dict[str, int] = {}
        self._is_broken = False

    def open_pipe(self, name: str) -> int:
        """Return the writing end of a new pipe whose lines are printed under this name. The caller closes it."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        self._selector.register(reading, selectors.EVENT_READ, name)
        self._rests[reading] = b""
        return writing

    def say(self, text: str, *, name: str = "bursar") -> None:
        """Print one line of our own."""
        self._print(name, text)

    def show(self, text: str) -> None:
        """Print a block without a name before it: something to be copied."""
        self._write(text + "\n")

    def pump(self, seconds: float) -> None:
        """Wait up to so long for something to be said, and print it."""
        for key, _ in self._selector.select(seconds):
            self._read(key.fd, str(key.data))

    def watch(self, descriptor: int) -> None:
        """Let `pump` return early when this descriptor becomes readable; its content is thrown away."""
        self._selector.register(descriptor, selectors.EVENT_READ, None)

    def _read(self, descriptor: int, name: str) -> None:
        try:
            data = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        if descriptor not in self._rests:
            return
        *lines, rest = (self._rests[descriptor] + data).split(b"\n")
        if not data or len(rest) > _LONGEST_LINE_BYTES:
            lines, rest = [*lines, rest], b""
        for line in lines:
            if line.strip():
                self._print(name, line.decode(errors="replace").rstrip())
        self._rests[descriptor] = rest
        if not data:
            self._selector.unregister(descriptor)
            del self._rests[descriptor]
            os.close(descriptor)

    def _print(self, name: str, text: str) -> None:
        label = f"{name:<{_NAME_WIDTH}} |"
        if self._is_coloured:
            colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
            label = f"\x1b[{colour}m{label}\x1b[0m"
        self._write(f"{label} {text}\n")

    def _write(self, text: str) -> None:
        if self._is_broken:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            # Nobody reads any more; the installation goes on without words.
            self._is_broken = True
