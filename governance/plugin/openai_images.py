"""The OpenAI images wire: reading requests and usage, and a provider base for vendors that speak it.

The images are passed on as they come and never read. What a request costs follows from the size, quality and number of
the images that are made and of those that are shown; how many tokens each is at most, the catalogue says by model
(`governance.plugin.media`). Sources: OpenAI's API reference and its Python package 3.54.0 (types of the images API);
developers.openai.com, guides "Image generation" (costs are tokens of the prompt, of the images shown and of the images
made; each partial image adds 100) and "Images and vision".
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec

from governance.plugin import form_reading, reading
from governance.plugin.errors import RequestInvalid, UsageUnreadable
from governance.plugin.forms import Form
from governance.plugin.media import IMAGE_OUTPUT_TOKENS, MediaRequest, bound_for
from governance.plugin.openai_chat import OpenAIChatProvider
from governance.plugin.provider import Bound, ConnectionSettings, GoverningFields, StreamMeter, Wire
from governance.plugin.splicing import Members
from governance.plugin.usage import MediaUnits, TokenClass, Usage, UsageReport

MAX_IMAGES: Final = 10
MAX_PARTIAL_IMAGES: Final = 3
PARTIAL_IMAGE_TOKENS: Final = 100
PLANNING_TOKENS: Final = 1024
"""What is kept beside each image for text that a model writes before it draws: the guide names no such tokens, and the
price list has a price for them.
"""

_HARMLESS: Final = frozenset(
    {
        "aspect_ratio",
        "background",
        "complexity",
        "input_fidelity",
        "model",
        "moderation",
        "n",
        "output_compression",
        "partial_images",
        "prompt",
        "quality",
        "response_format",
        "safety_identifier",
        "size",
        "stream",
        "style",
        "user",
    }
)
"""What costs nothing beside what is counted here. All else is refused: it may have a price of its own."""
_FORMATS: Final = frozenset({"", "png", "jpeg", "webp"})
"""One image each. A GIF is many, and a drawing in SVG is written by another model."""
_FILES: Final = frozenset({"image", "image[]", "mask"})
_LEFT_TO_THE_VENDOR: Final = frozenset({"auto", "standard"})
_WIRES: Final = frozenset({Wire.OPENAI_IMAGES, Wire.OPENAI_IMAGE_EDITS})
_COMPLETED: Final = frozenset({"image_generation.completed", "image_edit.completed"})
_NULL: Final = msgspec.Raw(b"null")
_XAI_TICKS_PER_USD_EXPONENT: Final = -10


class _Details(msgspec.Struct):
    image_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None
    cost_in_usd_ticks: int | None = None


class _Image(msgspec.Struct):
    pass


class _Reply(msgspec.Struct):
    usage: msgspec.Raw = _NULL
    svg_usage: msgspec.Raw = _NULL
    data: list[_Image] | None = None
    model: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    usage: msgspec.Raw = _NULL


_string = msgspec.json.Decoder(str | None)
_boolean = msgspec.json.Decoder(bool | None)
_integer = msgspec.json.Decoder(int | None)
_usage = msgspec.json.Decoder(_Usage)
_reply = msgspec.json.Decoder(_Reply)
_event = msgspec.json.Decoder(_Event)


def images_fields(members: Members) -> GoverningFields:
    """Return what governs the cost of a request to make images. Raises RequestInvalid."""
    values = reading.respelt(members.values) if reading.has_spelt_letters(members.body) else members.values
    reading.refuse_choosers(values)
    partial = reading.value(values, "partial_images", _integer, f"a whole number from 0 to {MAX_PARTIAL_IMAGES}") or 0
    return _fields(
        model=reading.model_name(values),
        stream=bool(reading.value(values, "stream", _boolean, "true or false")),
        body_bytes=members.body_bytes,
        paid=_paid(
            (name for name, raw in values.items() if reading.is_set(raw)),
            form=reading.value(values, "output_format", _string, "a string") or "",
            resolution=reading.value(values, "resolution", _string, "a string") or "",
        ),
        media=MediaRequest(
            images=reading.count(values, "n", MAX_IMAGES) or 1,
            size=_particular(reading.value(values, "size", _string, "a string")),
            quality=_particular(reading.value(values, "quality", _string, "a string")),
            partial_images=_partial(partial),
        ),
    )


def image_edits_fields(form: Form) -> GoverningFields:
    """Return what governs the cost of a form with images to be changed. Raises RequestInvalid."""
    shown = len(form.files("image")) + len(form.files("mask"))
    if not shown:
        raise RequestInvalid("The form has no image to change: set the field 'image'.", field="image")
    return _fields(
        model=form_reading.model_name(form),
        stream=form_reading.flag(form, "stream"),
        body_bytes=sum(part.end - part.start for part in form.fields),
        paid=_paid(
            (name for name in form.names if name not in _FILES),
            form=form.text("output_format") or "",
            resolution=form.text("resolution") or "",
        ),
        media=MediaRequest(
            details=(_particular(form.text("input_fidelity")),) * shown,
            images=form_reading.count(form, "n", MAX_IMAGES) or 1,
            size=_particular(form.text("size")),
            quality=_particular(form.text("quality")),
            partial_images=_partial(form_reading.count(form, "partial_images", MAX_PARTIAL_IMAGES, least=0) or 0),
        ),
    )


def _fields(
    *, model: str, stream: bool, body_bytes: int, paid: tuple[str, ...], media: MediaRequest
) -> GoverningFields:
    if stream and media.images > 1:
        raise RequestInvalid("A stream makes one image: ask for one, or leave the stream out.", field="n")
    return GoverningFields(
        model=model,
        stream=stream,
        body_bytes=body_bytes,
        messages=1,
        max_output_tokens=0,
        client_wants_usage=True,
        paid_tools=paid,
        media=media,
    )


def _paid(names: Iterable[str], *, form: str, resolution: str) -> tuple[str, ...]:
    """Return what may cost beside what is counted. `resolution` is xAI's: its smallest has the price of an image."""
    paid = {name[:64] for name in names if name not in _HARMLESS | {"output_format", "resolution"}}
    if form.lower() not in _FORMATS:
        paid.add(f"output_format {form[:64]}")
    if resolution.lower() not in ("", "1k"):
        paid.add(f"resolution {resolution[:64]}")
    return tuple(sorted(paid))


def _particular(text: str | None) -> str:
    """Return a size or a quality as bounds are named; empty where the vendor chooses, whatever it then takes."""
    said = (text or "").strip().lower()
    return "" if said in _LEFT_TO_THE_VENDOR else said


def _partial(count: int) -> int:
    if not 0 <= count <= MAX_PARTIAL_IMAGES:
        raise RequestInvalid(
            f"The field 'partial_images' must be a whole number from 0 to {MAX_PARTIAL_IMAGES}.", field="partial_images"
        )
    return count


def read_images_reply(body: bytes) -> UsageReport | None:
    """Read a whole reply: tokens where the vendor counts them, and how many images there are. None when it has
    neither. Raises UsageUnreadable when it cannot be believed.
    """
    try:
        reply = _reply.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageUnreadable(f"The vendor's reply is not the JSON of images: {error}.") from error
    if bytes(reply.svg_usage) != b"null":
        raise UsageUnreadable("Another model has drawn as well, and its tokens are not the image model's.")
    usage = bytes(reply.usage)
    if usage == b"null" and not reply.data:
        return None
    return _report(usage, images=len(reply.data or ()), model=reply.model)


def _report(usage: bytes, *, images: int, model: str | None = None) -> UsageReport:
    try:
        reported = _Usage() if usage == b"null" else _usage.decode(usage)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageUnreadable(f"The vendor's usage report is not what the images wire says: {error}.") from error
    shown, made = reported.input_tokens_details, reported.output_tokens_details
    output = reported.output_tokens or 0
    return UsageReport(
        usage=Usage(
            input_tokens=reported.input_tokens or 0,
            output_tokens=output,
            image_input_tokens=(shown.image_tokens or 0) if shown else 0,
            image_output_tokens=output if made is None or made.image_tokens is None else made.image_tokens,
            media=MediaUnits(images=images),
        ),
        raw=b"" if usage == b"null" else usage,
        served_model=model,
        vendor_cost=_usd(reported.cost_in_usd_ticks),
    )


def _usd(ticks: int | None) -> str | None:
    """Return xAI's own account of the cost in USD."""
    return None if ticks is None or ticks < 0 else f"{Decimal(ticks).scaleb(_XAI_TICKS_PER_USD_EXPONENT):f}"


class ImagesStreamMeter:
    """Reads usage from the event that completes the image; those before it hold sketches of it."""

    __slots__ = ("_report",)

    def __init__(self) -> None:
        self._report: UsageReport | None = None

    def feed(self, data: bytes) -> bool:
        """Take the data of one event. The client sees every one."""
        if b'"usage"' in data:
            try:
                event = _event.decode(data)
                if event.type in _COMPLETED and bytes(event.usage) != b"null":
                    self._report = _report(bytes(event.usage), images=1)
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
        """Return 0: what a sketch cost cannot be told from its bytes."""
        return 0

    def seen_output_events(self) -> int:
        """Return 0, see `seen_output_bytes`."""
        return 0


class OpenAIImagesProvider(OpenAIChatProvider):
    """The chat base with `POST /images/generations` and `/images/edits`: combine it with others, and name in `wires`
    those that the vendor has.
    """

    wires = frozenset({Wire.OPENAI_CHAT, *_WIRES})

    def path_of(self, wire: Wire) -> str:
        """Return what follows the base URL."""
        if wire is Wire.OPENAI_IMAGES:
            return "/images/generations"
        return "/images/edits" if wire is Wire.OPENAI_IMAGE_EDITS else super().path_of(wire)

    def bound(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> Bound:
        """Bound the text by its bytes, and images by what the catalogue says of the model. Raises RequestUnbounded."""
        if wire not in _WIRES:
            return super().bound(wire=wire, connection=connection, fields=fields)
        media = fields.media or MediaRequest()
        text = super().bound(wire=wire, connection=connection, fields=_as_text(fields))
        made = bound_for(media.bounds, IMAGE_OUTPUT_TOKENS, media.size, media.quality)
        return msgspec.structs.replace(
            text,
            input_tokens=text.input_tokens + self.image_tokens(media),
            choices=0,
            has_media=bool(media.details),
            may_output_media=True,
            output_tokens=media.images * _tokens_of_one(made, media),
            units={TokenClass.IMAGE: media.images},
            priced=() if made is not None else (TokenClass.IMAGE,),
        )

    def body_edits(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> dict[str, object]:
        """Usage comes without asking."""
        return {} if wire in _WIRES else super().body_edits(wire=wire, connection=connection, fields=fields)

    def maximum_edits(
        self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields, maximum: int
    ) -> dict[str, object]:
        """There is no text to cap."""
        if wire in _WIRES:
            return {}
        return super().maximum_edits(wire=wire, connection=connection, fields=fields, maximum=maximum)

    def read_reply(self, *, wire: Wire, connection: ConnectionSettings, body: bytes) -> UsageReport | None:
        """Read the `usage` of a reply. Raises UsageUnreadable."""
        if wire in _WIRES:
            return read_images_reply(body)
        return super().read_reply(wire=wire, connection=connection, body=body)

    def stream_meter(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> StreamMeter:
        """Return a meter that waits for the event which completes the image."""
        if wire in _WIRES:
            return ImagesStreamMeter()
        return super().stream_meter(wire=wire, connection=connection, fields=fields)


def _as_text(fields: GoverningFields) -> GoverningFields:
    return msgspec.structs.replace(fields, media=None, choices=0)


def _tokens_of_one(made: int | None, media: MediaRequest) -> int:
    return 0 if made is None else made + PLANNING_TOKENS + PARTIAL_IMAGE_TOKENS * media.partial_images
