"""Every recorded reply is replayed somewhere, or is of a wire that is neither served nor asked of a vendor."""

from pathlib import Path

from tests.support.recordings import FOLDER, exchange

TESTS = Path(__file__).parents[1]
OTHER_WIRES = {
    "bedrock-converse": "docs/decisions/0026",
    "bedrock-streaming-error": "docs/decisions/0026",
    "dashscope-native": "docs/decisions/0026",
    "xai-grpc": "docs/decisions/0026",
}
"""What file names begin with, and why Bursar does not speak their wire."""


def test_every_recording_is_replayed_or_of_a_wire_that_is_not_spoken() -> None:
    exchange("anthropic-count_tokens.json")
    sources = "\n".join(path.read_text(encoding="utf-8") for path in TESTS.rglob("*.py") if path != Path(__file__))
    recorded = {path.stem for path in FOLDER.glob("*.json")}
    replayed = {name for name in recorded if name in sources}
    other = {name for name in recorded if name.startswith(tuple(OTHER_WIRES))}
    assert replayed | other == recorded
    assert not replayed & other
