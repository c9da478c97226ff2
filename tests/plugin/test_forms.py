"""Forms: parts are found without being copied, and what two servers may read differently is refused."""

import pytest

from governance.plugin.errors import RequestInvalid
from governance.plugin.forms import MAX_PARTS, MAX_TEXT_BYTES, Form

TYPE = b"multipart/form-data; boundary=b"
FILE = bytes(range(256)) + b"\r\n--not the boundary\r\n"


def part(name: bytes, content: bytes, *, more: bytes = b"", headers: bytes = b"") -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n%s\r\n%s\r\n' % (name, more, headers, content)


def form(*parts: bytes, end: bytes = b"--b--\r\n") -> Form:
    return Form(b"".join(parts) + end, content_type=TYPE)


def test_a_field_is_set_and_every_other_byte_stays() -> None:
    sent = form(
        part(b"model", b"gpt"),
        part(b"file", FILE, more=b'; filename="a \\"b\\".wav"', headers=b"Content-Type: audio/wav\r\n"),
        part(b"include[]", b"a"),
        part(b"include[]", "\u00e9".encode()),
    )
    assert sent.names == ("model", "file", "include[]", "include[]")
    assert (sent.text("model"), sent.text("prompt")) == ("gpt", None)
    (found,) = sent.files("file")
    assert sent.body[found.start : found.end] == FILE
    assert sent.splice({}) is sent.body
    assert sent.splice({"model": "another"}) == sent.body.replace(b"\r\n\r\ngpt\r\n", b"\r\n\r\nanother\r\n")


@pytest.mark.parametrize("kind", [b'multipart/form-data; boundary="b"', b"Multipart/Form-Data;boundary=b"])
def test_a_boundary_may_be_quoted(kind: bytes) -> None:
    assert Form(part(b"a", b"1") + b"--b--", content_type=kind).text("a") == "1"


@pytest.mark.parametrize(
    "kind", [b"", b"application/json", b"multipart/form-data", b"multipart/form-data; boundary=b; x"]
)
def test_what_is_no_form_is_refused(kind: bytes) -> None:
    with pytest.raises(RequestInvalid, match="must be a form"):
        Form(part(b"a", b"1") + b"--b--", content_type=kind)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b--",
        b"preamble\r\n" + part(b"a", b"1") + b"--b--",
        part(b"a", b"1"),
        part(b"a", b"1") + b"--b-",
        part(b"a", b"1") + b"--b--\r\nmore",
        part(b"a", b"1") + b"--b \r\n",
        part(b"a", b"1\r\n--bigger"),
        part(b"a", b"1").replace(b"\r\n", b"\n") + b"--b--",
        b"--b\r\n\r\n1\r\n--b--",
        b"--b\r\nContent-Type: text/plain\r\n\r\n1\r\n--b--",
        part(b"a", b"1", more=b"; name=b") + b"--b--",
        part(b"a", b"1", more=b"; filename*=UTF-8''b") + b"--b--",
        part(b'a"; name="b', b"1") + b"--b--",
        part(b"a", b"1", headers=b'Content-Disposition: form-data; name="b"\r\n') + b"--b--",
        part(b"a", b"MQ==", headers=b"Content-Transfer-Encoding: base64\r\n") + b"--b--",
        part(b"a", b"1", headers=b"Content-Encoding: gzip\r\n") + b"--b--",
        part(b"a b", b"1") + b"--b--",
    ],
)
def test_what_servers_may_read_differently_is_refused(body: bytes) -> None:
    with pytest.raises(RequestInvalid, match="form"):
        Form(body, content_type=TYPE)


def test_a_text_stands_once_in_utf_8_and_is_no_file() -> None:
    sent = form(part(b"a", b"1"), part(b"a", b"2"), part(b"b", b"1", more=b'; filename="x"'), part(b"c", b"\xff"))
    for name, told in (("a", "twice"), ("b", "must be a text"), ("c", "not UTF-8")):
        with pytest.raises(RequestInvalid, match=told):
            sent.text(name)
    with pytest.raises(RequestInvalid, match="must be a file"):
        sent.files("a")


def test_a_text_is_no_larger_than_texts_are() -> None:
    size = MAX_TEXT_BYTES + 1
    assert form(part(b"a", bytes(size), more=b'; filename="a"')).files("a")[0].end > size
    with pytest.raises(RequestInvalid, match="larger than"):
        form(part(b"a", bytes(size)))


def test_a_form_of_too_many_parts_is_refused() -> None:
    with pytest.raises(RequestInvalid, match="more than"):
        form(*(part(b"a", b"1") for _ in range(MAX_PARTS + 1)))
