"""The Anthropic messages wire, both ways."""

from governance.gateway.translation.messages.answers import read_answer, write_answer
from governance.gateway.translation.messages.event_reader import EventReader
from governance.gateway.translation.messages.event_writer import EventWriter
from governance.gateway.translation.messages.failures import read_failure, write_failure
from governance.gateway.translation.messages.request_reader import read_request
from governance.gateway.translation.messages.request_writer import write_request
from governance.gateway.translation.wires import WireFormat

FORMAT = WireFormat(
    read_request=read_request,
    write_request=write_request,
    read_answer=read_answer,
    write_answer=write_answer,
    open_reader=EventReader,
    open_writer=EventWriter,
    read_failure=read_failure,
    write_failure=write_failure,
)

VERSION = "2023-06-01"
"""The `anthropic-version` that a translated request is written for: later ones refuse a temperature."""
