"""What the operator configured for plugins: environment variables, and secrets that may lie in files."""

from collections.abc import Mapping
from pathlib import Path

from governance.plugin.errors import SettingInvalid


class Settings:
    """Environment variables as a plugin reads them.

    A plugin is given this when it registers, and must register without any of its settings being there: what is
    missing or wrong is refused where it is needed, with SettingInvalid.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, name: str, default: str = "") -> str:
        """Return the variable's value; the default where it is missing or empty."""
        return self._variables.get(name) or default

    def number(self, name: str, default: int) -> int:
        """Return a whole number. Raises SettingInvalid."""
        text = self.text(name)
        if not text:
            return default
        if not text.isascii() or not text.isdigit():
            raise SettingInvalid(f"{name} is {text!r}: it must be a whole number.")
        return int(text)

    def names(self, name: str) -> tuple[str, ...]:
        """Return what stands between the commas."""
        return tuple(part for part in (piece.strip() for piece in self.text(name).split(",")) if part)

    def secret(self, name: str) -> str | None:
        """Return the secret, or what is in the file that NAME_FILE names, or None. Raises SettingInvalid."""
        return value_or_file(self._variables, name)


def value_or_file(variables: Mapping[str, str], name: str) -> str | None:
    """Return the value of NAME, or what is in the file that NAME_FILE names. Raises SettingInvalid."""
    file_name = variables.get(f"{name}_FILE")
    if name in variables and file_name:
        raise SettingInvalid(f"Both {name} and {name}_FILE are set: unset one of them.")
    if file_name:
        try:
            value = Path(file_name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingInvalid(f"{name}_FILE names {file_name}, which cannot be read: {error}.") from error
        if not value:
            raise SettingInvalid(f"{name}_FILE names {file_name}, which is empty: write the secret into it.")
        return value
    if name in variables and not variables[name].strip():
        raise SettingInvalid(f"{name} is set but empty: give it a value or unset it.")
    return variables.get(name)


NO_SETTINGS = Settings({})
