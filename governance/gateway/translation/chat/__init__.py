"""The OpenAI chat wire, both ways."""

from governance.gateway.translation.chat.answers import read_answer, write_answer
from governance.gateway.translation.chat.event_reader import EventReader
from governance.gateway.translation.chat.event_writer import EventWriter
from governance.gateway.translation.chat.failures import read_failure, write_failure
from governance.gateway.translation.chat.request_reader import read_request
from governance.gateway.translation.chat.request_writer import write_request
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
