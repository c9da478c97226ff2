"""Which tool a result belongs to: some wires name it by the call's id alone, Gemini by its name."""

from collections.abc import Mapping

from governance.plugin.errors import RequestInvalid


def name_of_call(names: Mapping[str, str], call_id: str, *, field: str) -> str:
    """Return the name of the tool that the call of this id asked for. Raises RequestInvalid."""
    name = names.get(call_id)
    if name is None:
        raise RequestInvalid(
            f"The field {field!r} holds the result of the call {call_id[:64]!r}, which no message before it asks for: "
            "send the whole conversation.",
            field=field,
        )
    return name
