"""A provider of several wires, each of them described by a base of its own."""

from governance.plugin.provider import (
    Bound,
    ConnectionSettings,
    ErrorReading,
    GoverningFields,
    Provider,
    StreamMeter,
    Upstream,
    Wire,
)
from governance.plugin.usage import UsageReport


class CombinedProvider:
    """Asks, for each wire, the part that speaks it. What is said of the vendor as a whole is the first part's word."""

    def __init__(self, first: Provider, *others: Provider) -> None:
        self._parts = {wire: part for part in (first, *others) for wire in part.wires}
        self.wires = frozenset(self._parts)
        self.name = first.name
        self.title = first.title
        self.after_disconnect = first.after_disconnect
        self.needs_credential = first.needs_credential
        self.default_base_url = first.default_base_url

    def upstream(self, *, wire: Wire, connection: ConnectionSettings) -> Upstream:
        """See Provider."""
        return self._parts[wire].upstream(wire=wire, connection=connection)

    def bound(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> Bound:
        """See Provider."""
        return self._parts[wire].bound(wire=wire, connection=connection, fields=fields)

    def body_edits(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> dict[str, object]:
        """See Provider."""
        return self._parts[wire].body_edits(wire=wire, connection=connection, fields=fields)

    def maximum_edits(
        self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields, maximum: int
    ) -> dict[str, object]:
        """See Provider."""
        return self._parts[wire].maximum_edits(wire=wire, connection=connection, fields=fields, maximum=maximum)

    def read_reply(self, *, wire: Wire, connection: ConnectionSettings, body: bytes) -> UsageReport | None:
        """See Provider."""
        return self._parts[wire].read_reply(wire=wire, connection=connection, body=body)

    def stream_meter(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> StreamMeter:
        """See Provider."""
        return self._parts[wire].stream_meter(wire=wire, connection=connection, fields=fields)

    def read_error(self, *, wire: Wire, status: int, body: bytes) -> ErrorReading:
        """See Provider."""
        return self._parts[wire].read_error(wire=wire, status=status, body=body)
