"""The settings of this installation, read once from environment variables into one frozen value.

Every variable of Bursar's is read here and nowhere else; plugins read their own (`plugin_settings`). Secrets may come
from a file: `BURSAR_SECRET_KEY_FILE=/run/…`.
On one machine `bursar up` keeps the secrets it made in `BURSAR_HOME/secrets.json`; a variable that is set wins over it.
A value that is missing is refused where it is asked for, so that each process needs only its own secrets.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from governance.core.database_url import LIMITED_ROLES, DatabaseRole, DatabaseUrlInvalid, database_name, role_url
from governance.plugin.errors import SettingInvalid
from governance.plugin.settings import NO_SETTINGS, Settings, value_or_file

SECRETS_FILE = "secrets.json"
MINIMUM_SECRET_CHARACTERS = 32
MINIMUM_DISTINCT_CHARACTERS = 8
SEALING_KEY_BYTES = 32

DATABASE_VARIABLES: dict[DatabaseRole, str] = {
    "owner": "DATABASE_URL",
    "gateway": "BURSAR_GATEWAY_DATABASE_URL",
    "console": "BURSAR_CONSOLE_DATABASE_URL",
    "worker": "BURSAR_WORKER_DATABASE_URL",
}
# Kept in the secrets file only: the embedded server's address, and the passwords that `bursar up` gave the roles.
EMBEDDED_DATABASE_URL = "EMBEDDED_DATABASE_URL"
ROLE_PASSWORDS = {role: f"{role.upper()}_DATABASE_PASSWORD" for role in LIMITED_ROLES}

SECRET_VARIABLES = (
    *DATABASE_VARIABLES.values(),
    "CELERY_BROKER_URL",
    "BURSAR_SECRET_KEY",
    "BURSAR_KEY_PEPPER",
    "BURSAR_SEALING_KEYS",
    "BURSAR_EMAIL_PASSWORD",
)
_EMAIL_PASSWORD = SECRET_VARIABLES[-1]
_DEFAULT_SECRETS = ("changeme", "change-me", "django-insecure", "insecure", "secret-key", "password", "example")
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_STANDBY = ("optional", "required")
_EMAIL_SECURITY = ("starttls", "tls", "none")


class EnvironmentInvalid(Exception):
    """A variable is missing or wrong. The message names it and says what to do."""


class SealingKey(msgspec.Struct, frozen=True):
    """A key that seals vendors' credentials (AES-256-GCM). `key_id` is stored beside what it sealed."""

    key_id: str
    key: bytes

    def __repr__(self) -> str:
        return f"SealingKey(key_id={self.key_id!r})"


class EmailServer(msgspec.Struct, frozen=True):
    """Where mail is handed in. `security` is one of starttls, tls, none."""

    host: str
    port: int
    user: str
    password: str
    security: str

    def __repr__(self) -> str:
        return f"EmailServer(host={self.host!r}, port={self.port})"


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the environment says. Secrets are asked for through the methods, which refuse when there is none."""

    home: Path
    host: str
    gateway_port: int
    console_port: int
    gateway_workers: int
    sandbox_port: int | None
    database_pool: int
    needs_synchronous_standby: bool
    public_gateway_url: str
    public_console_url: str
    allowed_hosts: tuple[str, ...]
    plugins_blocked: tuple[str, ...]
    plugins_allowed: tuple[str, ...] | None
    log_level: str
    ready_file: Path | None
    email_server: EmailServer | None
    email_from: str
    is_database_embedded: bool
    secrets: Mapping[str, str]
    plugin_settings: Settings = NO_SETTINGS

    def __repr__(self) -> str:
        return f"Environment(home={str(self.home)!r}, secrets={sorted(self.secrets)})"

    def database_url(self, role: DatabaseRole) -> str:
        """Return the connection URL of this role. Raises EnvironmentInvalid when there is none."""
        return self._secret(DATABASE_VARIABLES[role])

    @property
    def broker_url(self) -> str | None:
        """Where Celery's messages travel; None means: through PostgreSQL."""
        return self.secrets.get("CELERY_BROKER_URL")

    @property
    def secret_key(self) -> str:
        """Signs sessions and forms."""
        return self._strong("BURSAR_SECRET_KEY")

    @property
    def key_pepper(self) -> bytes:
        """Keys the digests of virtual keys."""
        return self._strong("BURSAR_KEY_PEPPER").encode()

    @property
    def sealing_keys(self) -> tuple[SealingKey, ...]:
        """The keys that open sealed credentials; the first one seals."""
        return parse_sealing_keys(self._secret("BURSAR_SEALING_KEYS"))

    def _secret(self, name: str) -> str:
        value = self.secrets.get(name, "")
        if not value:
            raise EnvironmentInvalid(
                f"{name} is not set, and {self.home / SECRETS_FILE} does not hold it. "
                f"Set {name} (or {name}_FILE), or run `bursar up` once: on one machine it makes every secret itself."
            )
        return value

    def _strong(self, name: str) -> str:
        value = self._secret(name)
        refuse_weak_secret(name, value)
        return value


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Read the variables (usually `os.environ`) and, beside them, the secrets file of BURSAR_HOME if there is one.

    Raises EnvironmentInvalid with a whole sentence when a value is wrong.
    """
    home = Path(variables.get("BURSAR_HOME") or ".bursar").expanduser().absolute()
    host = variables.get("BURSAR_HOST") or "127.0.0.1"
    gateway_port = _port(variables, "BURSAR_GATEWAY_PORT", 8080)
    console_port = _port(variables, "BURSAR_CONSOLE_PORT", 8000)
    if gateway_port == console_port:
        raise EnvironmentInvalid(
            f"BURSAR_GATEWAY_PORT and BURSAR_CONSOLE_PORT are both {gateway_port}: give each its own port."
        )
    reachable = f"[{host}]" if ":" in host else "localhost" if host in ("0.0.0.0", "127.0.0.1") else host  # noqa: S104
    secrets = _secrets(variables, home)
    return Environment(
        home=home,
        host=host,
        gateway_port=gateway_port,
        console_port=console_port,
        gateway_workers=_integer(variables, "BURSAR_GATEWAY_WORKERS", max(2, os.cpu_count() or 2), 1, 512),
        sandbox_port=_port(variables, "BURSAR_SANDBOX_PORT", 0) or None,
        database_pool=_integer(variables, "BURSAR_DATABASE_POOL", 0, 0, 1000),
        needs_synchronous_standby=_choice(variables, "BURSAR_SYNCHRONOUS_STANDBY", "optional", _STANDBY) == "required",
        public_gateway_url=_url(variables, "BURSAR_PUBLIC_GATEWAY_URL", f"http://{reachable}:{gateway_port}"),
        public_console_url=_url(variables, "BURSAR_PUBLIC_CONSOLE_URL", f"http://{reachable}:{console_port}"),
        allowed_hosts=_names(variables, "BURSAR_ALLOWED_HOSTS"),
        plugins_blocked=_names(variables, "BURSAR_PLUGINS_BLOCKED"),
        plugins_allowed=_names(variables, "BURSAR_PLUGINS_ALLOWED") or None,
        log_level=_choice(variables, "BURSAR_LOG_LEVEL", "INFO", _LOG_LEVELS),
        ready_file=Path(variables["BURSAR_READY_FILE"]).absolute() if variables.get("BURSAR_READY_FILE") else None,
        email_server=_email_server(variables, secrets),
        email_from=variables.get("BURSAR_EMAIL_FROM") or "bursar@localhost",
        is_database_embedded=not (variables.get("DATABASE_URL") or variables.get("DATABASE_URL_FILE")),
        secrets=secrets,
        plugin_settings=Settings(_for_plugins(variables)),
    )


def refuse_weak_secret(name: str, value: str) -> None:
    """Raise EnvironmentInvalid when the secret is short, repetitive or a well-known default."""
    remedy = f"Make one with `python -c 'import secrets; print(secrets.token_urlsafe(48))'` and set {name} to it."
    if len(value) < MINIMUM_SECRET_CHARACTERS or len(set(value)) < MINIMUM_DISTINCT_CHARACTERS:
        raise EnvironmentInvalid(
            f"{name} is too weak: it needs at least {MINIMUM_SECRET_CHARACTERS} characters, "
            f"{MINIMUM_DISTINCT_CHARACTERS} of them different. {remedy}"
        )
    if any(default in value.lower() for default in _DEFAULT_SECRETS):
        raise EnvironmentInvalid(f"{name} looks like a default value that everybody knows. {remedy}")


def parse_sealing_keys(text: str) -> tuple[SealingKey, ...]:
    """Read `keyid:base64,keyid:base64` (32 bytes each). Raises EnvironmentInvalid."""
    keys: list[SealingKey] = []
    for part in text.split(","):
        key_id, _, encoded = part.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not key_id or len(key) != SEALING_KEY_BYTES or len(set(key)) < MINIMUM_DISTINCT_CHARACTERS:
            raise EnvironmentInvalid(
                "BURSAR_SEALING_KEYS must read `name:base64,name:base64`, each a random key of 32 bytes in base64; "
                f"the entry named {key_id!r} is not."
            )
        keys.append(SealingKey(key_id, key))
    if len({key.key_id for key in keys}) != len(keys):
        raise EnvironmentInvalid("BURSAR_SEALING_KEYS names a key twice: give each its own name.")
    return tuple(keys)


def _secrets(variables: Mapping[str, str], home: Path) -> dict[str, str]:
    secrets = _read_secrets_file(home / SECRETS_FILE)
    for name in SECRET_VARIABLES:
        value = _value_or_file(variables, name)
        if value is not None:
            secrets[name] = value
    owner_url = secrets.get("DATABASE_URL") or secrets.get(EMBEDDED_DATABASE_URL)
    if owner_url:
        secrets["DATABASE_URL"] = owner_url
        _refuse_malformed_database_url("DATABASE_URL", secrets)
        for role, password_name in ROLE_PASSWORDS.items():
            if password_name in secrets:
                secrets.setdefault(DATABASE_VARIABLES[role], role_url(owner_url, role, secrets[password_name]))
    for name in DATABASE_VARIABLES.values():
        _refuse_malformed_database_url(name, secrets)
    return secrets


def _for_plugins(variables: Mapping[str, str]) -> dict[str, str]:
    """Return what plugins may read: everything but Bursar's own secrets. The mail server's password is for mail."""
    own = {name for name in SECRET_VARIABLES if name != _EMAIL_PASSWORD}
    return {name: value for name, value in variables.items() if name.removesuffix("_FILE") not in own}


def _refuse_malformed_database_url(name: str, secrets: Mapping[str, str]) -> None:
    try:
        if name in secrets:
            database_name(secrets[name])
    except DatabaseUrlInvalid as error:
        raise EnvironmentInvalid(f"{name} is wrong. {error}") from error


def _read_secrets_file(path: Path) -> dict[str, str]:
    if not path.parent.is_dir() or not path.is_file():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError) as error:
        raise EnvironmentInvalid(
            f"{path} cannot be read ({error}). Mend it, restore it from a backup, or name another BURSAR_HOME."
        ) from error


def _value_or_file(variables: Mapping[str, str], name: str) -> str | None:
    try:
        return value_or_file(variables, name)
    except SettingInvalid as error:
        raise EnvironmentInvalid(str(error)) from error


def _integer(variables: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = variables.get(name)
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise EnvironmentInvalid(f"{name} is {text!r}: it must be a whole number from {least} to {most}.")
    return int(text)


def _port(variables: Mapping[str, str], name: str, default: int) -> int:
    return _integer(variables, name, default, 1, 65535)


def _url(variables: Mapping[str, str], name: str, default: str) -> str:
    text = (variables.get(name) or default).rstrip("/")
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise EnvironmentInvalid(
            f"{name} is {text!r}: it must be an http or https address such as https://llm.example."
        )
    return text


def _names(variables: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part for part in (piece.strip() for piece in variables.get(name, "").split(",")) if part)


def _choice(variables: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    text = variables.get(name) or default
    for choice in choices:
        if choice.lower() == text.lower():
            return choice
    raise EnvironmentInvalid(f"{name} is {text!r}: it must be one of {', '.join(choices)}.")


def _email_server(variables: Mapping[str, str], secrets: Mapping[str, str]) -> EmailServer | None:
    host = variables.get("BURSAR_EMAIL_HOST")
    if not host:
        return None
    return EmailServer(
        host=host,
        port=_port(variables, "BURSAR_EMAIL_PORT", 587),
        user=variables.get("BURSAR_EMAIL_USER", ""),
        password=secrets.get("BURSAR_EMAIL_PASSWORD", ""),
        security=_choice(variables, "BURSAR_EMAIL_SECURITY", "starttls", _EMAIL_SECURITY),
    )
