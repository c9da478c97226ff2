"""Translation between the wires of clients and of vendors. Pure: no I/O, no clock."""

from governance.gateway.translation.canonical import Destination, Dialect
from governance.gateway.translation.circumstances import MAX_EVENT_BYTES, Circumstances, Framing, StreamShape
from governance.gateway.translation.counting import CountTranslation
from governance.gateway.translation.messages import VERSION as ANTHROPIC_VERSION
from governance.gateway.translation.reading import AnswerUntranslatable
from governance.gateway.translation.translator import StreamTranslation, TranslatedRequest, Translation

__all__ = [
    "ANTHROPIC_VERSION",
    "MAX_EVENT_BYTES",
    "AnswerUntranslatable",
    "Circumstances",
    "CountTranslation",
    "Destination",
    "Dialect",
    "Framing",
    "StreamShape",
    "StreamTranslation",
    "TranslatedRequest",
    "Translation",
]
