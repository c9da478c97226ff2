"""The OpenAI moderations wire, which is free: reading requests, and a provider base for vendors that speak it."""

from governance.plugin import reading
from governance.plugin.openai_chat import OpenAIChatProvider
from governance.plugin.provider import Bound, ConnectionSettings, GoverningFields, Wire
from governance.plugin.splicing import Members
from governance.plugin.usage import Usage, UsageReport


def moderations_fields(members: Members) -> GoverningFields:
    """Return the model that is asked: whatever it is shown costs nothing. Raises RequestInvalid."""
    reading.refuse_choosers(members.values)
    return GoverningFields(
        model=reading.model_name(members.values),
        stream=False,
        body_bytes=members.body_bytes,
        messages=1,
        max_output_tokens=0,
    )


class OpenAIModerationsProvider(OpenAIChatProvider):
    """The chat base with `POST /moderations`: combine it with others, and name all wires in `wires`."""

    wires = frozenset({Wire.OPENAI_CHAT, Wire.OPENAI_MODERATIONS})

    def path_of(self, wire: Wire) -> str:
        """Return what follows the base URL."""
        return "/moderations" if wire is Wire.OPENAI_MODERATIONS else super().path_of(wire)

    def bound(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> Bound:
        """A moderation uses nothing that has a price; all else as the base does. Raises RequestUnbounded."""
        if wire is Wire.OPENAI_MODERATIONS:
            return Bound(input_tokens=0, choices=0)
        return super().bound(wire=wire, connection=connection, fields=fields)

    def maximum_edits(
        self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields, maximum: int
    ) -> dict[str, object]:
        """There is no output to cap."""
        if wire is Wire.OPENAI_MODERATIONS:
            return {}
        return super().maximum_edits(wire=wire, connection=connection, fields=fields, maximum=maximum)

    def read_reply(self, *, wire: Wire, connection: ConnectionSettings, body: bytes) -> UsageReport | None:
        """No reply reports usage, and none costs anything. Raises UsageUnreadable for other wires."""
        if wire is Wire.OPENAI_MODERATIONS:
            return UsageReport(usage=Usage(input_tokens=0, output_tokens=0), raw=b"")
        return super().read_reply(wire=wire, connection=connection, body=body)
