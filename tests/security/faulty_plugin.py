"""A provider whose hooks go wrong as its connection's options say: `hook` names the one, `fault` what it does."""

from collections.abc import Callable
from typing import Any

from governance.plugin import ConnectionSettings, Provider, hookimpl
from governance.plugin.openai_chat import ChatConventions, OpenAIChatProvider, StreamUsage
from governance.plugin.provider import Bound
from governance.plugin.usage import Usage, UsageReport

SHARED_EDITS: dict[str, object] = {"store": False}


class Unchecked:
    """Counts that no `Usage` would take."""

    def __init__(self, tokens: Any) -> None:
        self.input_tokens = self.output_tokens = tokens

    def counts(self) -> dict[str, Any]:
        return {"input": self.input_tokens, "output": self.output_tokens}


def _unchecked(tokens: Any) -> UsageReport:
    return UsageReport(usage=Unchecked(tokens), raw=b"{}")  # type: ignore[arg-type]


FAULTS: dict[str, Callable[[], object]] = {
    "raises": lambda: 1 // 0,
    "None": lambda: None,
    "text": lambda: "text",
    "a negative bound": lambda: Bound(input_tokens=-(10**12), choices=1),
    "a negative number of choices": lambda: Bound(input_tokens=1, choices=-5),
    "a fractional bound": lambda: Bound(input_tokens=0.5, choices=1),  # type: ignore[arg-type]
    "no bound": lambda: Bound(input_tokens=None, choices=1),  # type: ignore[arg-type]
    "negative counts": lambda: UsageReport(usage=Usage(input_tokens=-9, output_tokens=3), raw=b"{}"),
    "fractional counts": lambda: UsageReport(usage=Usage(input_tokens=9.5, output_tokens=3), raw=b"{}"),  # type: ignore[arg-type]
    "no counts": lambda: UsageReport(usage=None, raw=b"{}"),  # type: ignore[arg-type]
    "unchecked negative counts": lambda: _unchecked(-9),
    "unchecked fractional counts": lambda: _unchecked(0.5),
    "its own constant": lambda: SHARED_EDITS,
}


class _FaultyMeter:
    """The usual meter, of which one method goes wrong."""

    def __init__(self, meter: Any, hook: str, fault: str) -> None:
        self._meter = meter
        self._hook = hook
        self._fault = fault

    def __getattr__(self, name: str) -> Any:
        return (lambda *_: FAULTS[self._fault]()) if name == self._hook else getattr(self._meter, name)


class FaultyProvider(OpenAIChatProvider):
    """The OpenAI chat wire without options of its own."""

    def __init__(self) -> None:
        super().__init__(
            name="faulty",
            title="Faulty Labs",
            default_base_url="https://faulty.example/v1",
            needs_credential=True,
            conventions=ChatConventions(
                input_includes_cache=True, output_includes_reasoning=True, stream_usage=StreamUsage.ASK
            ),
            maximum_fields=("max_tokens",),
        )

    def __getattribute__(self, name: str) -> Any:
        usual = super().__getattribute__(name)
        if name not in _HOOKS:
            return usual

        def hook(*, connection: ConnectionSettings | None = None, **arguments: Any) -> Any:
            options = connection.options if connection else _last_options
            if connection:
                _last_options.clear()
                _last_options.update(options)
                arguments["connection"] = connection
            if options.get("hook") == name:
                return FAULTS[options["fault"]]()
            found = usual(**arguments)
            return (
                _FaultyMeter(found, options.get("hook", ""), options.get("fault", ""))
                if name == "stream_meter"
                else found
            )

        return hook


_HOOKS = {"upstream", "bound", "body_edits", "maximum_edits", "read_reply", "stream_meter", "read_error"}
_last_options: dict[str, str] = {}
"""Of the connection that was used last: `read_error` is not told which one it is for."""


@hookimpl
def bursar_providers(register: Callable[[Provider], None]) -> None:
    """Offer the provider `faulty`."""
    register(FaultyProvider())
