"""How a call and its result find each other: by the call's id, in Gemini by the name, and not always an id."""

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


def call_id(answer_id: str, number: int) -> str:
    """Return an id for a call whose vendor gave it none: the same whenever the answer is read."""
    return f"call_{answer_id}_{number}"
