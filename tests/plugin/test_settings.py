"""What the operator configured, as plugins read it."""

from pathlib import Path

import pytest

from governance.core.environment import read_environment
from governance.plugin.errors import SettingInvalid
from governance.plugin.settings import NO_SETTINGS, Settings


def test_a_missing_setting_has_its_default_and_an_empty_one_too() -> None:
    for settings in (NO_SETTINGS, Settings({"HOST": "", "PORT": "", "NAMES": ""})):
        assert settings.text("HOST", "localhost") == "localhost"
        assert settings.number("PORT", 587) == 587
        assert settings.names("NAMES") == ()
    assert NO_SETTINGS.secret("KEY") is None


def test_names_stand_between_commas() -> None:
    assert Settings({"NAMES": " a, b ,,c"}).names("NAMES") == ("a", "b", "c")


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "²"])
def test_what_is_no_number_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingInvalid, match=r"PORT is .*: it must be a whole number"):
        Settings({"PORT": text}).number("PORT", 587)


def test_a_secret_comes_from_its_variable_or_its_file_and_not_from_both(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("from the file\n")
    assert Settings({"KEY": "plain"}).secret("KEY") == "plain"
    assert Settings({"KEY_FILE": str(file)}).secret("KEY") == "from the file"
    with pytest.raises(SettingInvalid, match="Both KEY and KEY_FILE are set"):
        Settings({"KEY": "plain", "KEY_FILE": str(file)}).secret("KEY")
    with pytest.raises(SettingInvalid, match="cannot be read"):
        Settings({"KEY_FILE": str(tmp_path / "nothing")}).secret("KEY")


def test_plugins_read_their_own_settings_and_none_of_bursars_secrets(tmp_path: Path) -> None:
    (tmp_path / "pepper").write_text("p" * 40)
    variables = {
        "BURSAR_HOME": str(tmp_path),
        "BURSAR_EMAIL_HOST": "mail.example.com",
        "BURSAR_EMAIL_PASSWORD": "for mail",
        "BURSAR_SECRET_KEY": "not for plugins",
        "BURSAR_KEY_PEPPER_FILE": str(tmp_path / "pepper"),
        "SLACK_TOKEN": "for a plugin",
    }
    settings = read_environment(variables).plugin_settings
    assert settings.text("BURSAR_EMAIL_HOST") == "mail.example.com"
    assert settings.secret("BURSAR_EMAIL_PASSWORD") == "for mail"
    assert settings.secret("SLACK_TOKEN") == "for a plugin"
    assert settings.secret("BURSAR_SECRET_KEY") is None
    assert settings.secret("BURSAR_KEY_PEPPER") is None
