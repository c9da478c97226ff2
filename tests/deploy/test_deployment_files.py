"""The files in deploy/, checked by the tools that know their formats and against the code that reads them."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
TOOLS = Path(sys.executable).parent
_SETTING = re.compile(r"(?:BURSAR_[A-Z_]*[A-Z]|DATABASE_URL(?:_FILE)?|CELERY_BROKER_URL(?:_FILE)?)")
_NAMES_A_FILE_ITSELF = "BURSAR_READY_FILE"
_OF_COMPOSE_ITSELF = {"BURSAR_IMAGE"}


def run(*command: str | Path) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{command[0]} found fault:\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def settings_named_in(text: str) -> set[str]:
    names = set(_SETTING.findall(text)) - _OF_COMPOSE_ITSELF
    return {name if name == _NAMES_A_FILE_ITSELF else name.removesuffix("_FILE") for name in names}


def settings_the_code_reads() -> set[str]:
    own = [ROOT / "governance/core/environment.py", ROOT / "governance/config/settings.py"]
    source = "".join(path.read_text() for path in (*own, *ROOT.glob("plugins/*/bursar_plugin_*/*.py")))
    return settings_named_in(" ".join(re.findall(r'"([A-Z_]+)"', source)))


def compose_file() -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe").load(DEPLOY / "compose.yaml")
    return document


def deploy_texts() -> dict[str, str]:
    files = [path for path in DEPLOY.rglob("*") if path.is_file() and "secrets" not in path.parts]
    return {str(path.relative_to(DEPLOY)): path.read_text() for path in files if path.name != "bursar.env"}


def test_every_setting_that_the_code_reads_is_in_the_example_file() -> None:
    assert settings_the_code_reads() <= settings_named_in((DEPLOY / "bursar.env.example").read_text())


@pytest.mark.parametrize("name", sorted(deploy_texts()))
def test_every_setting_that_a_file_names_is_one_that_the_code_reads(name: str) -> None:
    assert settings_named_in(deploy_texts()[name]) <= settings_the_code_reads()


def test_the_example_file_holds_no_secret() -> None:
    lines = (DEPLOY / "bursar.env.example").read_text().splitlines()
    values = dict(line.lstrip("#").split("=", 1) for line in lines if re.match(r"#?[A-Z_]+=", line))
    secrets = {name: value for name, value in values.items() if name.endswith("_FILE")}
    assert secrets
    assert not any(secrets.values())


def test_hadolint_finds_no_fault_with_the_dockerfile() -> None:
    run(TOOLS / "hadolint", "--failure-threshold", "info", DEPLOY / "Dockerfile")


def test_everything_the_dockerfile_names_exists_and_is_sent_to_the_builder() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    sent = set(re.findall(r"^!(.+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    copied = {word for copy in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE) for word in copy.split()[:-1]}
    named = (copied | set(re.findall(r"/opt/bursar/source/(\S+\.py)", text))) - {"."}
    assert named >= {"requirements/runtime.txt", "deploy/healthcheck.py"}
    assert {path for path in named if not (ROOT / path).is_file()} == set()
    assert {path for path in named if path not in sent and path.split("/")[0] not in sent} == set()


def test_the_compose_file_follows_the_compose_specification() -> None:
    run(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


def test_each_service_gets_exactly_the_secrets_that_its_settings_name() -> None:
    compose = compose_file()
    for name, service in compose["services"].items():
        text = json.dumps([service.get("environment"), service.get("command"), service.get("healthcheck")])
        named = set(re.findall(r"/run/secrets/(\w+)", text))
        if name == "postgres":
            named |= set(re.findall(r"make_role \w+ (\w+)", (DEPLOY / "postgres/roles.sh").read_text()))
        assert named == set(service.get("secrets", [])), name
        assert named <= set(compose["secrets"]), name


def test_the_secrets_that_compose_reads_are_the_ones_that_the_script_makes(tmp_path: Path) -> None:
    compose = compose_file()
    run(sys.executable, DEPLOY / "make_secrets.py", tmp_path / "secrets")
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert set(made) == {Path(secret["file"]).name for secret in compose["secrets"].values()}
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    run(sys.executable, DEPLOY / "make_secrets.py", tmp_path / "secrets")
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == made


def test_only_the_one_shot_service_has_the_rights_of_the_owner() -> None:
    compose = compose_file()
    holders = [
        name for name, service in compose["services"].items() if "owner_database_url" in service.get("secrets", [])
    ]
    assert holders == ["prepare"]
    units = [path.name for path in (DEPLOY / "systemd").iterdir() if "owner_database_url" in path.read_text()]
    assert units == ["bursar-prepare.service"]


def test_containers_cannot_write_to_their_images_and_gain_no_rights() -> None:
    services = compose_file()["services"]
    assert [name for name, service in services.items() if not service.get("read_only")] == []
    assert [name for name, service in services.items() if "no-new-privileges:true" not in service["security_opt"]] == []
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for unit in (DEPLOY / "systemd").iterdir():
        # The same units, with programs that exist on this machine.
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/bursar/venv/bin", str(TOOLS)))
    complaints = run("systemd-analyze", "verify", "--man=no", *sorted(tmp_path.iterdir()))
    assert str(tmp_path) not in complaints


@pytest.mark.skipif(shutil.which("nginx", path="/usr/sbin:/usr/bin") is None, reason="nginx is not installed")
def test_nginx_accepts_the_configuration_of_the_proxy(tmp_path: Path) -> None:
    text = (DEPLOY / "proxy/nginx.conf").read_text()
    for host in ("gateway-1", "gateway-2", "console"):
        text = text.replace(f"server {host}:", "server 127.0.0.1:")
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(text.replace(" /tmp/", f" {tmp_path}/"))
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    run(str(nginx), "-t", "-q", "-c", configuration, "-p", tmp_path)
