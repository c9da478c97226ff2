"""The OpenAI Responses wire, both ways."""

from governance.gateway.translation.chat.failures import read_failure, write_failure
from governance.gateway.translation.responses.answers import read_answer, write_answer
from governance.gateway.translation.responses.event_reader import EventReader
from governance.gateway.translation.responses.event_writer import EventWriter
from governance.gateway.translation.responses.request_reader import read_request
from governance.gateway.translation.responses.request_writer import write_request
from governance.gateway.translation.wires import WireFormat

FORMAT = WireFormat(
    read_request=read_request,
    write_request=write_request,
    read_answer=read_answer,
    write_answer=write_answer,
    open_reader=EventReader,
    open_writer=EventWriter,
    # The errors of OpenAI's APIs are of one shape.
    read_failure=read_failure,
    write_failure=write_failure,
)
