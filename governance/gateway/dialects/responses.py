"""OpenAI's shapes on the Responses API: those of its other APIs, but for an error within a stream."""

import msgspec

from governance.core.errors import BursarError
from governance.gateway.dialects.openai import OpenAIDialect, said


class ResponsesDialect(OpenAIDialect):
    """See Dialect."""

    def error_event(self, error: BursarError) -> bytes:
        """Return an event named `error`. The API documents its fields at the top and sends them in `error`, where the
        SDK looks; so both are there.
        """
        about = said(error)
        event = {**about, "type": "error", "sequence_number": 0, "error": about}
        return b"event: error\ndata: " + msgspec.json.encode(event) + b"\n\n"
