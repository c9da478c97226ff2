"""The table of capabilities is what the code does, and says what it is known to."""

from tests.conformance.capabilities import FEATURES, JSON_FILE, REQUESTS, TABLE_FILE, capabilities, json_text, table

FOUND = capabilities()


def test_the_files_say_what_the_code_does() -> None:
    told = "Run `python -m tests.conformance.capabilities`, look at what changed, and commit it."
    assert JSON_FILE.read_text(encoding="utf-8") == json_text(FOUND), told
    assert TABLE_FILE.read_text(encoding="utf-8") == table(FOUND), told


def test_every_vendor_answers_text_streams_and_tools_of_three_apis() -> None:
    for name, wires in FOUND.items():
        for wire in ("openai.chat", "anthropic.messages", "gemini.generate"):
            for feature in ("text", "stream", "tools"):
                assert wires[wire][feature] in ("native", "translated"), (name, wire, feature)


def test_every_request_of_the_table_is_read_by_the_wire_that_it_is_in() -> None:
    assert all(set(features) == set(FEATURES) for features in REQUESTS.values())
    native = {"openai.chat": "openai", "anthropic.messages": "anthropic", "gemini.generate": "gemini"}
    for wire, vendor in native.items():
        assert FOUND[vendor][wire]["text"] == "native"
        assert FOUND[vendor][wire]["reasoning"] == "native"
