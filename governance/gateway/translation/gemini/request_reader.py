"""Reads a Gemini generateContent request into the canonical form."""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from governance.gateway.translation.canonical import (
    Conversation,
    Effort,
    ReplyFormat,
    Sampling,
    Thinking,
    Tool,
    ToolChoice,
    ToolMode,
)
from governance.gateway.translation.gemini import request as wire
from governance.gateway.translation.gemini.contents import messages_of, texts_of
from governance.gateway.translation.gemini.schemas import json_schema
from governance.gateway.translation.gemini.spelling import respelt
from governance.gateway.translation.reading import decoded, given, unsayable
from governance.plugin.errors import RequestInvalid
from governance.plugin.splicing import Members

_T = TypeVar("_T")
_request = msgspec.json.Decoder(wire.Request)
_content = msgspec.json.Decoder(wire.Content)
_tools = msgspec.json.Decoder(wire.Tools)
_declaration = msgspec.json.Decoder(wire.FunctionDeclaration)
_tool_config = msgspec.json.Decoder(wire.ToolConfig)
_calling = msgspec.json.Decoder(wire.FunctionCallingConfig)
_generation = msgspec.json.Decoder(wire.GenerationConfig)
_thinking_config = msgspec.json.Decoder(wire.ThinkingConfig)
_safety = msgspec.json.Decoder(wire.SafetySetting)
_MODES = {"ANY": ToolMode.REQUIRED, "NONE": ToolMode.NONE}
_LEVELS = {level.upper(): level for level in ("minimal", "low", "medium", "high", "xhigh")}
_JSON = "application/json"


def read_request(body: bytes, *, is_streamed: bool = False) -> Conversation:
    """Return what the client asks; whether it is a stream, its address says. Raises RequestInvalid with the field that
    cannot be said or is wrong.
    """
    members = Members(bytes(respelt(Members(body).body, field=None)))
    wire.FIELDS.check(members)
    asked = decoded(members.body, _request)
    for setting in asked.safety_settings or ():
        _spelt(setting, _safety, "safetySettings")
    config = _generation_config(asked.generation_config)
    choice, is_validated = _tool_choice(asked.tool_config)
    return Conversation(
        system=_system(asked.system_instruction),
        messages=messages_of([_spelt(content, _content, "contents") for content in asked.contents]),
        tools=tuple(_declared(asked.tools or (), is_strict=is_validated)),
        tool_choice=choice,
        sampling=Sampling(
            temperature=config.temperature,
            top_p=config.top_p,
            top_k=_whole(config.top_k),
            frequency_penalty=config.frequency_penalty,
            presence_penalty=config.presence_penalty,
            seed=config.seed,
        ),
        stop=tuple(config.stop_sequences or ()),
        maximum_output_tokens=config.max_output_tokens,
        reply_format=_reply_format(config),
        thinking=_thinking(config.thinking_config),
        is_streamed=is_streamed,
    )


def _spelt(raw: msgspec.Raw, decoder: msgspec.json.Decoder[_T], field: str) -> _T:
    return decoded(respelt(raw, field=field), decoder, field=field)


def _whole(top_k: float | None) -> int | None:
    """Google's SDK writes the number of candidates with a point; half a one is no number of them."""
    if top_k is not None and not top_k.is_integer():
        raise RequestInvalid("The field 'topK' must be a whole number.", field="topK")
    return None if top_k is None else int(top_k)


def _generation_config(raw: msgspec.Raw) -> wire.GenerationConfig:
    if given(raw) is None:
        return wire.GenerationConfig()
    spelt = bytes(respelt(raw, field="generationConfig"))
    wire.GENERATION_FIELDS.check(Members(spelt))
    return decoded(spelt, _generation, field="generationConfig")


def _system(raw: msgspec.Raw) -> tuple[str, ...]:
    return tuple(texts_of(_spelt(raw, _content, "systemInstruction"), field="systemInstruction")) if given(raw) else ()


def _declared(tools: Iterable[msgspec.Raw], *, is_strict: bool) -> Iterable[Tool]:
    for raw in tools:
        for declared in _spelt(raw, _tools, "tools").function_declarations:
            function = _spelt(declared, _declaration, "tools")
            schema = given(function.parameters_json_schema)
            if schema is None and given(function.parameters) is not None:
                schema = json_schema(function.parameters, field="tools")
            yield Tool(name=function.name, description=function.description, schema=schema, is_strict=is_strict)


def _tool_choice(raw: msgspec.Raw) -> tuple[ToolChoice | None, bool]:
    """Return the choice, and whether calls must hold to their schemas."""
    config = _spelt(raw, _tool_config, "toolConfig") if given(raw) else wire.ToolConfig()
    if given(config.function_calling_config) is None:
        return None, False
    calling = _spelt(config.function_calling_config, _calling, "toolConfig")
    names = tuple(calling.allowed_function_names or ())
    if calling.mode == "MODE_UNSPECIFIED" and not names:
        return None, False
    return ToolChoice(_MODES.get(calling.mode, ToolMode.AUTO), names), calling.mode == "VALIDATED"


def _reply_format(config: wire.GenerationConfig) -> ReplyFormat | None:
    if config.response_mime_type != _JSON:
        if given(config.response_schema) or given(config.response_json_schema):
            raise RequestInvalid(
                f"The field 'responseSchema' needs responseMimeType {_JSON!r} beside it.", field="generationConfig"
            )
        return None
    schema = given(config.response_json_schema)
    if schema is None and given(config.response_schema):
        schema = json_schema(config.response_schema, field="generationConfig")
    return ReplyFormat(schema=schema, is_strict=schema is not None)


def _thinking(raw: msgspec.Raw) -> Thinking | None:
    if given(raw) is None:
        return None
    config = _spelt(raw, _thinking_config, "generationConfig")
    effort = _effort(config)
    budget = config.thinking_budget if config.thinking_budget is not None and config.thinking_budget > 0 else None
    if (effort, budget, config.include_thoughts) == (None, None, None):
        return None
    return Thinking(effort=effort, budget_tokens=budget, is_shown=config.include_thoughts)


def _effort(config: wire.ThinkingConfig) -> Effort | None:
    level = (config.thinking_level or "").upper()
    if level in _LEVELS:
        return Effort(_LEVELS[level])
    if level not in ("", "THINKING_LEVEL_UNSPECIFIED"):
        raise unsayable("thinkingLevel", f"send one of {', '.join(_LEVELS)}", within="generationConfig")
    return Effort.NONE if config.thinking_budget == 0 else None
