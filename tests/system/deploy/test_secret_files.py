"""deploy/secret-files.yml: containers have their secrets as files, and none in their environment.

An installation that runs so: test_docker.py. The passwords of a database as files: test_database_tls.py.
"""

import json
import os
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from solekey_protocol.services import Service
from solekey_service.config import ServiceConfig, load_config
from tests.support.deployment.compose import DEPLOY, GIVEN, load_override, make_installation
from tests.support.repository import ROOT


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """An installation's folder, with the files written, and what its .env says."""
    folder = tmp_path_factory.mktemp("installation")
    environ = make_installation(folder)
    write_files(folder)
    return folder, environ


def write_files(folder: Path, **environ: str) -> None:
    subprocess.run(
        [str(DEPLOY / "write_secret_files.sh")],
        check=True,
        env={**os.environ, "SOLEKEY_DEPLOY_FOLDER": str(folder), **environ},
    )


def list_secrets(environ: dict[str, str]) -> set[str]:
    return {value for name, value in environ.items() if name.endswith(("_PASSWORD", "_KEY"))}


def merge(folder: Path, *overrides: str) -> dict[str, Any]:
    names = ("docker-compose.yml", *(f"deploy/{name}.yml" for name in overrides))
    files = [word for name in names for word in ("--file", name)]
    done = subprocess.run(
        ["docker", "compose", *files, "--env-file", str(folder / ".env"), "config", "--format", "json"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=GIVEN
        | {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_CONFIG") if name in os.environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    merged: dict[str, Any] = json.loads(done.stdout)
    return merged


def find_exposed(merged: dict[str, Any], secrets: set[str]) -> set[str]:
    """The containers that have a secret in their environment."""
    return {
        name
        for name, settings in merged["services"].items()
        if any(
            secret in str(value) for value in settings.get("environment", {}).values() for secret in secrets
        )
    }


def test_each_secret_is_a_file_of_a_folder_that_is_its_owners(
    installation: tuple[Path, dict[str, str]],
) -> None:
    folder, environ = installation
    values = folder / "secrets.values"
    assert values.stat().st_mode & 0o777 == 0o700
    written = {path.read_text() for path in values.iterdir()}
    assert list_secrets(environ) <= written
    assert len(list_secrets(environ)) >= 2 * len(Service) + 4
    assert list(folder.rglob("*.new")) == []


def test_services_read_their_secrets_from_files(installation: tuple[Path, dict[str, str]]) -> None:
    """The config reader, with the files that the override names: the same as from the environment."""
    folder, environ = installation
    text = (DEPLOY / "secret-files.yml").read_text()
    for service in Service:
        block = text.split(f"\n  {service}:\n")[1].split("\n    secrets:")[0]
        pairs = [line.strip().split(": ") for line in block.splitlines() if "_FILE: " in line]
        values = folder / "secrets.values"
        given = {name: str(values / file.removeprefix("/run/secrets/")) for name, file in pairs}
        kind = getattr(import_module(f"solekey_{service}.config"), f"{service.value.title()}Config")
        other = {"SOLEKEY_ORIGIN": environ["SOLEKEY_ORIGIN"], "SOLEKEY_BUS_URL": "kafka://kafka:9092"}
        store = {"SOLEKEY_OBJECT_STORE_URL": "file:///objects"} if service is Service.VAULT else {}
        config: ServiceConfig = load_config(kind, given | other | store)
        password = environ[f"{service.value.upper()}_DATABASE_PASSWORD"]
        assert f"solekey_{service}:{password}@postgres" in config.database_url.reveal()
        assert config.bus_password is not None
        assert config.bus_password.reveal() == environ[f"{service.value.upper()}_BUS_PASSWORD"]


def test_the_files_name_a_database_elsewhere_as_its_override_does(
    installation: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    folder, environ = installation
    (tmp_path / ".env").write_bytes((folder / ".env").read_bytes())
    given = GIVEN | {"DATABASE_PORT": "6432"}
    write_files(tmp_path, **given)
    services = load_override("database.yml", environ | given)["services"]
    for service in Service:
        address = services[service]["environment"]["SOLEKEY_DATABASE_URL"]
        assert (tmp_path / "secrets.values" / f"{service}_database_url").read_text() == address


@pytest.mark.docker  # Compose alone: no container is started
def test_no_container_has_a_secret_in_its_environment(
    installation: tuple[Path, dict[str, str]], docker_compose: None
) -> None:
    folder, environ = installation
    secrets = list_secrets(environ)
    for files in ("secret-files", "secret-files-database"):
        for more in ((), ("mtls", "three-brokers", "s3", "auditor", "monitoring")):
            merged = merge(folder, files, *more)
            assert find_exposed(merged, secrets) == set()
            assert ("postgres" in merged["services"]) == (files == "secret-files")
    exposed = find_exposed(merge(folder), secrets)  # control
    assert exposed == {*Service, "postgres", "kafka-init"}


@pytest.mark.docker
def test_a_database_elsewhere_is_the_same_with_files(
    installation: tuple[Path, dict[str, str]], docker_compose: None
) -> None:
    folder, _ = installation
    with_files, plain = (merge(folder, name)["services"] for name in ("secret-files-database", "database"))
    for service in Service:
        for setting in ("networks", "depends_on"):
            assert with_files[service][setting] == plain[service][setting]
        assert "database_ca" in {secret["source"] for secret in with_files[service]["secrets"]}


def test_a_renewal_of_certificates_leaves_the_files(installation: tuple[Path, dict[str, str]]) -> None:
    """It puts another folder in the place of deploy/secrets, and Git knows neither."""
    folder, _ = installation
    assert (folder / "secrets.values").parent == (folder / "secrets").parent
    ignored = subprocess.run(
        ["git", "check-ignore", "deploy/secrets.values/auth_operator_key"],
        cwd=ROOT,
        check=False,
        capture_output=True,
    )
    assert ignored.returncode == 0
