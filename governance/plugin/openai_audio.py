"""The OpenAI audio wires: speech, transcriptions and translations. Reading requests and usage, and a provider base.

Speech is priced by the characters that are spoken or by tokens; what is written down by seconds of audio or by tokens:
the catalogue's prices say which, and its bounds how many tokens there can be (`governance.plugin.media`). Sources:
OpenAI's API reference and its Python package 3.54.0 (types of the audio API); developers.openai.com, guides "Text to
speech" and "Speech to text".

Which replies report usage: JSON of transcriptions (tokens, or seconds), the last event of a stream, and nothing else.
Audio, text, SRT, VTT and translations report none: the characters that were sent are booked, or the seconds that the
audio lasts at most.
"""

from decimal import ROUND_CEILING, Decimal
from typing import Final

import msgspec

from governance.plugin import form_reading, reading
from governance.plugin.audio import longest_seconds
from governance.plugin.errors import RequestInvalid, RequestUnbounded, UsageUnreadable
from governance.plugin.forms import Form
from governance.plugin.media import (
    AUDIO_INPUT_TOKENS,
    AUDIO_OUTPUT_TOKENS,
    AUDIO_SECONDS,
    TEXT_OUTPUT_TOKENS,
    MediaRequest,
    bound_for,
)
from governance.plugin.openai_chat import OpenAIChatProvider
from governance.plugin.provider import Bound, ConnectionSettings, GoverningFields, StreamMeter, Wire
from governance.plugin.splicing import Members
from governance.plugin.usage import MAX_COUNT, MediaUnits, TokenClass, Usage, UsageReport

_SPOKEN: Final = frozenset(
    {"input", "instructions", "model", "response_format", "speed", "stream_format", "voice"},
)
_WRITTEN_DOWN: Final = frozenset(
    {
        "file",
        "include",
        "include[]",
        "keywords",
        "keywords[]",
        "language",
        "languages",
        "languages[]",
        "model",
        "prompt",
        "response_format",
        "stream",
        "temperature",
        "timestamp_granularities",
        "timestamp_granularities[]",
    }
)
"""What costs nothing beside what is counted here. All else is refused: speakers and chunks are heard once more."""
_LISTENING: Final = frozenset({Wire.OPENAI_TRANSCRIPTIONS, Wire.OPENAI_TRANSLATIONS})
_WIRES: Final = _LISTENING | {Wire.OPENAI_SPEECH}
_PATHS: Final = {
    Wire.OPENAI_SPEECH: "/audio/speech",
    Wire.OPENAI_TRANSCRIPTIONS: "/audio/transcriptions",
    Wire.OPENAI_TRANSLATIONS: "/audio/translations",
}
_DONE: Final = frozenset({"speech.audio.done", "transcript.text.done"})
_SPEECH_DONE: Final = "speech.audio.done"
_NULL: Final = msgspec.Raw(b"null")


class _Details(msgspec.Struct):
    audio_tokens: int | None = None


class _Usage(msgspec.Struct):
    type: str = ""
    seconds: Decimal | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: _Details | None = None


class _Reply(msgspec.Struct):
    usage: msgspec.Raw = _NULL
    duration: Decimal | None = None


class _Event(msgspec.Struct):
    type: str = ""
    usage: msgspec.Raw = _NULL


_string = msgspec.json.Decoder(str | None)
_usage = msgspec.json.Decoder(_Usage)
_reply = msgspec.json.Decoder(_Reply)
_event = msgspec.json.Decoder(_Event)


def speech_fields(members: Members) -> GoverningFields:
    """Return what governs the cost of a request to speak. It is answered in pieces, whatever they are framed in.
    Raises RequestInvalid.
    """
    values = reading.respelt(members.values) if reading.has_spelt_letters(members.body) else members.values
    reading.refuse_choosers(values)
    text = reading.value(values, "input", _string, "a string")
    if not text:
        raise RequestInvalid("The request has nothing to say: set the field 'input'.", field="input")
    paid = {name[:64] for name, raw in values.items() if name not in _SPOKEN and reading.is_set(raw)}
    if "voice" in values and not bytes(values["voice"]).startswith(b'"'):
        paid.add("voice")
    return GoverningFields(
        model=reading.model_name(values),
        stream=True,
        body_bytes=members.body_bytes,
        messages=1,
        max_output_tokens=0,
        client_wants_usage=True,
        paid_tools=tuple(sorted(paid)),
        # A pair of surrogates that JSON escapes is one character of Python's, and two of JavaScript's.
        media=MediaRequest(characters=len(text.encode("utf-16-le", "surrogatepass")) // 2),
    )


def transcriptions_fields(form: Form) -> GoverningFields:
    """Return what governs the cost of a form with audio to be written down. Raises RequestInvalid."""
    return _listening(form, stream=form_reading.flag(form, "stream"))


def translations_fields(form: Form) -> GoverningFields:
    """Return what governs the cost of a form with audio to be translated: it is never answered in a stream."""
    return _listening(form, stream=False)


def _listening(form: Form, *, stream: bool) -> GoverningFields:
    files = form.files("file")
    if len(files) != 1:
        raise RequestInvalid("The form must have one file of audio: set the field 'file' once.", field="file")
    audio = memoryview(form.body)[files[0].start : files[0].end]
    return GoverningFields(
        model=form_reading.model_name(form),
        stream=stream,
        body_bytes=sum(part.end - part.start for part in form.fields),
        messages=1,
        max_output_tokens=0,
        client_wants_usage=True,
        paid_tools=form_reading.unknown(form, _WRITTEN_DOWN),
        media=MediaRequest(audio_seconds=longest_seconds(audio)),
    )


def read_transcription_reply(body: bytes) -> UsageReport | None:
    """Read a whole reply; None when it reports no usage, as text does. Raises UsageUnreadable when it cannot be
    believed.
    """
    if not body.lstrip().startswith(b"{"):
        return None
    try:
        reply = _reply.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageUnreadable(f"The vendor's reply is not the JSON of a transcription: {error}.") from error
    if bytes(reply.usage) != b"null":
        return _report(bytes(reply.usage), is_speech=False)
    if reply.duration is None:
        return None
    seconds = _begun_seconds(reply.duration)
    return UsageReport(usage=_of_seconds(seconds), raw=b"")


def _report(usage: bytes, *, is_speech: bool) -> UsageReport:
    try:
        reported = _usage.decode(usage)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageUnreadable(f"The vendor's usage report is not what the audio wire says: {error}.") from error
    if reported.seconds is not None:
        return UsageReport(usage=_of_seconds(_begun_seconds(reported.seconds)), raw=usage)
    if reported.input_tokens is None or reported.output_tokens is None:
        raise UsageUnreadable("The vendor reported neither seconds nor tokens.")
    details = reported.input_token_details
    return UsageReport(
        usage=Usage(
            input_tokens=reported.input_tokens,
            output_tokens=reported.output_tokens,
            audio_input_tokens=(details.audio_tokens or 0) if details else 0,
            audio_output_tokens=reported.output_tokens if is_speech else 0,
        ),
        raw=usage,
    )


def _begun_seconds(seconds: Decimal) -> int:
    """Return a length in whole seconds, a begun one counted. Raises UsageUnreadable."""
    if not seconds.is_finite() or not 0 <= seconds <= MAX_COUNT:
        raise UsageUnreadable(f"The vendor reported a length of {str(seconds)[:64]!r} seconds.")
    return int(seconds.to_integral_value(ROUND_CEILING))


def _of_seconds(seconds: int) -> Usage:
    return Usage(input_tokens=0, output_tokens=0, media=MediaUnits(audio_seconds=seconds))


class AudioStreamMeter:
    """Reads usage from the event that ends a stream. Bare audio has no events, and reports nothing."""

    __slots__ = ("_report",)

    def __init__(self) -> None:
        self._report: UsageReport | None = None

    def feed(self, data: bytes) -> bool:
        """Take the data of one event, or a piece of audio. The client gets every one."""
        if data.startswith(b"{") and b'"usage"' in data:
            try:
                event = _event.decode(data)
                if event.type in _DONE and bytes(event.usage) != b"null":
                    self._report = _report(bytes(event.usage), is_speech=event.type == _SPEECH_DONE)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, UsageUnreadable):
                self._report = None
        return True

    def report(self) -> UsageReport | None:
        """Return the vendor's usage, or None while it has not been seen or could not be believed."""
        return self._report

    def running(self) -> Usage | None:
        """Return None: nothing is told before the end."""
        return None

    def seen_output_bytes(self) -> int:
        """Return 0: what a piece of audio costs cannot be told from its bytes."""
        return 0

    def seen_output_events(self) -> int:
        """Return 0, see `seen_output_bytes`."""
        return 0


class OpenAIAudioProvider(OpenAIChatProvider):
    """The chat base with `POST /audio/speech`, `/audio/transcriptions` and `/audio/translations`: combine it with
    others, and name in `wires` those that the vendor has.
    """

    wires = frozenset({Wire.OPENAI_CHAT, *_WIRES})

    def path_of(self, wire: Wire) -> str:
        """Return what follows the base URL."""
        return _PATHS[wire] if wire in _WIRES else super().path_of(wire)

    def bound(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> Bound:
        """Bound text by its bytes, and audio by what the catalogue says of the model. Raises RequestUnbounded."""
        if wire not in _WIRES:
            return super().bound(wire=wire, connection=connection, fields=fields)
        media = fields.media or MediaRequest()
        text = super().bound(
            wire=wire, connection=connection, fields=msgspec.structs.replace(fields, media=None, choices=0)
        )
        bound = self._spoken(media) if wire is Wire.OPENAI_SPEECH else self._written_down(media)
        return msgspec.structs.replace(bound, input_tokens=bound.input_tokens + text.input_tokens)

    def unreported(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> Usage | None:
        """Return what was sent, or the most that it can have been, where the vendor reports nothing."""
        if wire not in _WIRES:
            return None
        bound = self.bound(wire=wire, connection=connection, fields=fields)
        is_by_tokens = bound.output_tokens > 0
        return Usage(
            input_tokens=bound.input_tokens if is_by_tokens else 0,
            output_tokens=bound.output_tokens,
            audio_output_tokens=bound.output_tokens if wire is Wire.OPENAI_SPEECH else 0,
            media=MediaUnits(
                characters=bound.units.get(TokenClass.CHARACTER, 0),
                audio_seconds=bound.units.get(TokenClass.AUDIO_SECOND, 0),
            ),
        )

    def body_edits(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> dict[str, object]:
        """What reports usage does so without being asked."""
        return {} if wire in _WIRES else super().body_edits(wire=wire, connection=connection, fields=fields)

    def maximum_edits(
        self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields, maximum: int
    ) -> dict[str, object]:
        """Nothing caps what is said or written down."""
        if wire in _WIRES:
            return {}
        return super().maximum_edits(wire=wire, connection=connection, fields=fields, maximum=maximum)

    def read_reply(self, *, wire: Wire, connection: ConnectionSettings, body: bytes) -> UsageReport | None:
        """Read the usage of a reply, where it reports any. Raises UsageUnreadable."""
        if wire is Wire.OPENAI_SPEECH:
            return None
        if wire in _LISTENING:
            return read_transcription_reply(body)
        return super().read_reply(wire=wire, connection=connection, body=body)

    def stream_meter(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> StreamMeter:
        """Return a meter that waits for the event which ends the stream."""
        if wire in _WIRES:
            return AudioStreamMeter()
        return super().stream_meter(wire=wire, connection=connection, fields=fields)

    def _spoken(self, media: MediaRequest) -> Bound:
        output = bound_for(media.bounds, AUDIO_OUTPUT_TOKENS)
        return Bound(
            input_tokens=0,
            choices=0,
            may_output_media=True,
            output_tokens=output or 0,
            units={TokenClass.CHARACTER: media.characters},
            priced=() if output else (TokenClass.CHARACTER,),
        )

    def _written_down(self, media: MediaRequest) -> Bound:
        heard, written = bound_for(media.bounds, AUDIO_INPUT_TOKENS), bound_for(media.bounds, TEXT_OUTPUT_TOKENS)
        known = [each for each in (media.audio_seconds, bound_for(media.bounds, AUDIO_SECONDS)) if each is not None]
        is_by_tokens = heard is not None and written is not None
        if not known and not is_by_tokens:
            raise RequestUnbounded(
                f"Nothing bounds how long this audio lasts, and so what it costs at {self.title}: send it as WAV with "
                "PCM, whose bytes tell, or have whoever administers Bursar give the model the bound "
                f"{AUDIO_SECONDS}, the most that one request may hold."
            )
        return Bound(
            input_tokens=heard or 0,
            choices=0,
            has_media=True,
            output_tokens=(written or 0) if is_by_tokens else 0,
            units={TokenClass.AUDIO_SECOND: min(known)} if known else {},
            priced=() if is_by_tokens else (TokenClass.AUDIO_SECOND,),
        )
