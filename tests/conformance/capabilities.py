"""What every vendor can do in every wire, found out by asking. `python -m tests.conformance.capabilities` writes it.

Each cell is a request that uses a feature, taken through the code that the gateway takes it through: read in the
client's wire, translated where the vendor does not speak it, read again in the vendor's, and bounded by its plugin.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from governance.core.plugins import load_plugins
from governance.gateway.rendition import others_of, read_as, translated
from governance.plugin import ConnectionSettings, GoverningFields, Provider, RequestInvalid, RequestUnbounded, Wire
from governance.plugin.jobs import JobKind, takes_jobs
from governance.plugin.media import IMAGE_INPUT_TOKENS

DOCS = Path(__file__).parents[2] / "docs"
JSON_FILE = DOCS / "capabilities.json"
TABLE_FILE = DOCS / "capabilities.md"
MODEL = "m"
FEATURES = ("text", "stream", "tools", "vision", "reasoning", "cache")
_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}}


class Way(StrEnum):
    """How a vendor does something in a wire."""

    NATIVE = "native"
    TRANSLATED = "translated"
    REFUSED = "refused"


def _chat(**fields: object) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}], **fields}


def _responses(**fields: object) -> dict[str, Any]:
    return {"model": MODEL, "max_output_tokens": 64, "input": [{"role": "user", "content": "Hi"}], **fields}


def _generate(*parts: object, **fields: object) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": "Hi"}, *parts]}], **fields}


REQUESTS: Mapping[Wire, Mapping[str, dict[str, Any]]] = {
    Wire.OPENAI_CHAT: {
        "text": _chat(),
        "stream": _chat(stream=True),
        "tools": _chat(tools=[{"type": "function", "function": {"name": "weather", "parameters": _SCHEMA}}]),
        "vision": _chat(
            messages=[
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_PIXEL}"}}],
                }
            ]
        ),
        "reasoning": _chat(reasoning_effort="low"),
        "cache": _chat(prompt_cache_key="k"),
    },
    Wire.OPENAI_RESPONSES: {
        "text": _responses(),
        "stream": _responses(stream=True),
        "tools": _responses(tools=[{"type": "function", "name": "weather", "parameters": _SCHEMA}]),
        "vision": _responses(
            input=[
                {
                    "role": "user",
                    "content": [{"type": "input_image", "image_url": f"data:image/png;base64,{_PIXEL}"}],
                }
            ]
        ),
        "reasoning": _responses(reasoning={"effort": "low"}),
        "cache": _responses(prompt_cache_key="k"),
    },
    Wire.ANTHROPIC_MESSAGES: {
        "text": _chat(),
        "stream": _chat(stream=True),
        "tools": _chat(tools=[{"name": "weather", "input_schema": _SCHEMA}]),
        "vision": _chat(
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": _PIXEL}}
                    ],
                }
            ]
        ),
        "reasoning": _chat(max_tokens=4096, thinking={"type": "enabled", "budget_tokens": 1024}),
        "cache": _chat(system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]),
    },
    Wire.GEMINI_GENERATE: {
        "text": _generate(),
        "stream": _generate(),
        "tools": _generate(tools=[{"functionDeclarations": [{"name": "weather", "parameters": _SCHEMA}]}]),
        "vision": _generate({"inlineData": {"mimeType": "image/png", "data": _PIXEL}}),
        "reasoning": _generate(generationConfig={"thinkingConfig": {"thinkingBudget": 1024}}),
        "cache": _generate(cachedContent="cachedContents/x"),
    },
}
"""By wire and feature."""


def capabilities() -> dict[str, dict[str, dict[str, str]]]:
    """Return provider -> wire -> feature -> way, sorted."""
    providers = load_plugins(blocked=["sandbox"]).providers
    return {
        name: {wire.value: _of_wire(provider, wire) for wire in Wire} for name, provider in sorted(providers.items())
    }


def _of_wire(provider: Provider, wire: Wire) -> dict[str, str]:
    if wire in REQUESTS:
        ways = {feature: _way(provider, wire, feature) for feature in FEATURES}
        return {**ways, "batch": Way.REFUSED.value}
    is_other = any(other in provider.wires for other in others_of(wire))
    return {"text": (Way.NATIVE if wire in provider.wires else Way.TRANSLATED if is_other else Way.REFUSED).value}


def _way(provider: Provider, wire: Wire, feature: str) -> str:
    body = json.dumps(REQUESTS[wire][feature], separators=(",", ":")).encode()
    is_stream = feature == "stream"
    try:
        if wire in provider.wires:
            _bounded(provider, wire, read_as(wire, body, model=MODEL, is_stream=is_stream))
            return Way.NATIVE.value
        other = next((each for each in others_of(wire) if each in provider.wires), None)
        if other is None:
            return Way.REFUSED.value
        request = translated(wire, other, body, model=MODEL, default_maximum=64, is_stream=is_stream)
        _bounded(provider, other, read_as(other, request.body, model=MODEL, is_stream=request.is_streamed))
    except (RequestInvalid, RequestUnbounded):
        return Way.REFUSED.value
    return Way.TRANSLATED.value


def _bounded(provider: Provider, wire: Wire, fields: GoverningFields) -> None:
    """Bound it, for a model of which the catalogue says what an image counts as."""
    if fields.media is not None:
        media = msgspec.structs.replace(fields.media, bounds={IMAGE_INPUT_TOKENS: 1_000})
        fields = msgspec.structs.replace(fields, media=media)
    connection = ConnectionSettings(id=1, name="any", base_url="https://api.example.test/v1", credential="any")
    provider.bound(wire=wire, connection=connection, fields=fields)


def table(found: Mapping[str, Mapping[str, Mapping[str, str]]]) -> str:
    """Return the page for people."""
    lines = [
        "# Who can do what",
        "",
        "Made by `python -m tests.conformance.capabilities` from the code itself, and held to it by a test; for",
        "programs it is `capabilities.json`. *native*: the vendor speaks the client's wire and its bytes pass.",
        "*translated*: request, answer, stream and errors are translated (see [translation](translation.md)).",
        "*refused*: with a sentence, before anything is sent, because the vendor's wire has no words for it or because",
        "nothing bounds what it would cost. *vision* is asked of a model of which the catalogue says what an image",
        "counts as at most; of another one it is refused, but for Anthropic's.",
    ]
    for wire in REQUESTS:
        lines += ["", f"## {wire.value}", "", f"| vendor | {' | '.join(FEATURES)} |", "|---|" + "---|" * len(FEATURES)]
        lines += [
            f"| {name} | {' | '.join(wires[wire.value][feature] for feature in FEATURES)} |"
            for name, wires in found.items()
        ]
    lines += ["", "## Other wires", "", "| wire | native | translated |", "|---|---|---|"]
    for other in (each for each in Wire if each not in REQUESTS):
        ways = {name: wires[other.value]["text"] for name, wires in found.items()}
        cells = [", ".join(name for name in ways if ways[name] == way.value) for way in (Way.NATIVE, Way.TRANSLATED)]
        lines.append(f"| {other.value} | {cells[0] or 'none'} | {cells[1]} |")
    lines += ["", "## Jobs", "", "| kind | vendors |", "|---|---|"]
    providers = load_plugins().providers
    for kind in JobKind:
        names = sorted(name for name, each in providers.items() if takes_jobs(each) and kind in each.job_kinds)
        lines.append(f"| {kind.value} | {', '.join(names) or 'none'} |")
    return "\n".join(lines) + "\n"


def json_text(found: Mapping[str, Mapping[str, Mapping[str, str]]]) -> str:
    """Return the file for programs."""
    return json.dumps(found, indent=1) + "\n"


def main() -> None:
    """Write both."""
    found = capabilities()
    JSON_FILE.write_text(json_text(found), encoding="utf-8")
    TABLE_FILE.write_text(table(found), encoding="utf-8")


if __name__ == "__main__":
    main()
