"""Meters the sandbox's streams. Its running counts have the final input in every one of them."""

from governance.plugin import Bound, GoverningFields
from governance.plugin.openai_chat import ChatStreamMeter


class SandboxMeter(ChatStreamMeter):
    """As for OpenAI, and with a bound as soon as the input is known."""

    __slots__ = ("_fields",)

    def __init__(self, fields: GoverningFields) -> None:
        super().__init__(
            input_includes_cache=True,
            output_includes_reasoning=True,
            choices=fields.choices,
            hides_usage_chunk=not fields.client_wants_usage,
        )
        self._fields = fields

    def bounds(self) -> Bound | None:
        """Return what can be reported in the end: the input that was counted, and the output that was asked for."""
        running = self.running()
        return None if running is None else Bound(input_tokens=running.input_tokens, choices=self._fields.choices)
