"""The environment is read once, loudly."""

import base64
import secrets
from pathlib import Path

import msgspec
import pytest

from governance.core.environment import EnvironmentInvalid, read_environment


def _home(tmp_path: Path) -> dict[str, str]:
    return {"BURSAR_HOME": str(tmp_path)}


def test_an_empty_environment_gives_one_machines_defaults(tmp_path: Path) -> None:
    environment = read_environment(_home(tmp_path))
    assert (environment.gateway_port, environment.console_port, environment.host) == (8080, 8000, "127.0.0.1")
    assert environment.gateway_workers >= 2
    assert environment.public_gateway_url == "http://localhost:8080"
    assert environment.is_database_embedded


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("BURSAR_GATEWAY_PORT", "http", "a whole number"),
        ("BURSAR_GATEWAY_PORT", "70000", "from 1 to 65535"),
        ("BURSAR_GATEWAY_PORT", "8000", "both 8000"),
        ("BURSAR_GATEWAY_WORKERS", "0", "from 1 to 512"),
        ("BURSAR_PUBLIC_CONSOLE_URL", "console.example", "http or https"),
        ("BURSAR_LOG_LEVEL", "LOUD", "must be one of"),
        ("BURSAR_SECRET_KEY", " ", "set but empty"),
        ("DATABASE_URL", "host=db dbname=x", "must read `postgresql://"),
    ],
)
def test_a_wrong_variable_is_refused_with_its_name(tmp_path: Path, name: str, value: str, says: str) -> None:
    with pytest.raises(EnvironmentInvalid, match=says) as caught:
        read_environment(_home(tmp_path) | {name: value})
    assert name in str(caught.value)


@pytest.mark.parametrize("value", ["short", "a" * 64, "django-insecure-0123456789abcdefghijklmnop", "changeme" * 8])
def test_a_weak_or_well_known_secret_is_refused(tmp_path: Path, value: str) -> None:
    environment = read_environment(_home(tmp_path) | {"BURSAR_SECRET_KEY": value})
    with pytest.raises(EnvironmentInvalid, match="BURSAR_SECRET_KEY"):
        _ = environment.secret_key


def test_a_missing_secret_is_refused_where_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentInvalid, match="BURSAR_KEY_PEPPER is not set"):
        _ = read_environment(_home(tmp_path)).key_pepper


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    pepper = secrets.token_urlsafe(48)
    (tmp_path / "pepper").write_text(pepper + "\n")
    environment = read_environment(_home(tmp_path) | {"BURSAR_KEY_PEPPER_FILE": str(tmp_path / "pepper")})
    assert environment.key_pepper == pepper.encode()


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentInvalid, match="Both BURSAR_SECRET_KEY and BURSAR_SECRET_KEY_FILE"):
        read_environment(_home(tmp_path) | {"BURSAR_SECRET_KEY": "x", "BURSAR_SECRET_KEY_FILE": "y"})


def test_a_variable_wins_over_the_secrets_file(tmp_path: Path) -> None:
    held, given = secrets.token_urlsafe(48), secrets.token_urlsafe(48)
    (tmp_path / "secrets.json").write_bytes(msgspec.json.encode({"BURSAR_SECRET_KEY": held}))
    assert read_environment(_home(tmp_path)).secret_key == held
    assert read_environment(_home(tmp_path) | {"BURSAR_SECRET_KEY": given}).secret_key == given


def test_role_urls_follow_the_owners_url(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_bytes(msgspec.json.encode({"GATEWAY_DATABASE_PASSWORD": "p/w"}))
    environment = read_environment(
        _home(tmp_path) | {"DATABASE_URL": "postgresql://own:er@db:5433/spend?sslmode=require"}
    )
    assert environment.database_url("gateway") == "postgresql://spend_gateway:p%2Fw@db:5433/spend?sslmode=require"
    assert not environment.is_database_embedded


def test_the_first_sealing_key_seals_and_no_secret_shows_in_a_representation(tmp_path: Path) -> None:
    keys = [secrets.token_bytes(32), secrets.token_bytes(32)]
    text = ",".join(f"k{number}:{base64.b64encode(key).decode()}" for number, key in enumerate(keys))
    environment = read_environment(_home(tmp_path) | {"BURSAR_SEALING_KEYS": text})
    assert [key.key for key in environment.sealing_keys] == keys
    assert base64.b64encode(keys[0]).decode() not in repr(environment) + repr(environment.sealing_keys)


@pytest.mark.parametrize("text", ["nokey", "a:short", "a:!!!!", ":" + base64.b64encode(b"x" * 32).decode()])
def test_a_malformed_sealing_key_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(EnvironmentInvalid, match="BURSAR_SEALING_KEYS"):
        _ = read_environment(_home(tmp_path) | {"BURSAR_SEALING_KEYS": text}).sealing_keys
