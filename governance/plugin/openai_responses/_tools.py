"""Which tools of a Responses request the client runs itself, and which the vendor runs and charges for."""

from collections.abc import Iterator
from typing import Final

import msgspec

from governance.plugin import reading
from governance.plugin.splicing import Members

_CLIENTS_OWN: Final = frozenset({"function", "custom"})
"""Defined wholly in the request and run by the client. Tools that the vendor defines bring in words of its own."""
_WEB_SEARCH: Final = "web_search"
_LONGEST_NAME: Final = 64


class _Tool(msgspec.Struct):
    type: str
    execution: str | None = None
    tools: msgspec.Raw = msgspec.Raw(b"")


_tools = msgspec.json.Decoder(list[_Tool] | None)
_raw_tools = msgspec.json.Decoder(list[msgspec.Raw])


def paid_tools(raw: msgspec.Raw, *, field: str) -> Iterator[str]:
    """Yield the type of each tool in this array whose cost is more than its own bytes. Every name in it is spelt
    plainly. Raises RequestInvalid.
    """
    tools = reading.typed(raw, field, _tools, "an array of tools that name their type")
    if not tools:
        return
    # Schemas have types of their own, so that counting tells nothing: each tool is looked at by itself.
    for body in _raw_tools.decode(raw):
        Members(bytes(body))
    for tool in tools:
        if tool.type == "namespace":
            yield from paid_tools(tool.tools, field=field)
        elif tool.type not in _CLIENTS_OWN and not (tool.type == "tool_search" and tool.execution == "client"):
            yield _WEB_SEARCH if tool.type.startswith(_WEB_SEARCH) else tool.type[:_LONGEST_NAME]
