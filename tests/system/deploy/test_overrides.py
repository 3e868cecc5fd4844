"""The overrides of deploy/, as Compose itself merges them with docker-compose.yml."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from solekey_eventlog.bus.config import KafkaAddress, parse_address
from solekey_service.config import ServiceConfig, load_config
from tests.support.deployment.compose import DEPLOY, GIVEN, SERVICES, make_installation
from tests.support.repository import ROOT

pytestmark = pytest.mark.docker  # Compose alone: no container is started

OVERRIDES = ("mtls", "three-brokers", "database", "s3", "auditor")
BROKERS = ("kafka", "kafka-2", "kafka-3")


class Merger:
    """Merges the Compose file and overrides for one installation."""

    def __init__(self, folder: Path) -> None:
        self.environ = make_installation(folder) | GIVEN
        self._env_file = folder / ".env"

    def try_(self, *names: str, without: str = "") -> subprocess.CompletedProcess[str]:
        files = ["docker-compose.yml", *(f"deploy/{name}.yml" for name in names)]
        given = {name: value for name, value in GIVEN.items() if name != without}
        chosen = (word for file in files for word in ("--file", file))
        config = ("--env-file", str(self._env_file), "config", "--format", "json")
        return subprocess.run(
            ["docker", "compose", *chosen, *config],
            cwd=ROOT, env={"PATH": os.environ["PATH"], **_docker_environment(), **given},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def merge(self, *names: str) -> dict[str, Any]:
        done = self.try_(*names)
        assert done.returncode == 0, done.stderr
        merged: dict[str, Any] = json.loads(done.stdout)
        return merged


def _docker_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("HOME", "DOCKER_CONFIG") if name in os.environ}


@pytest.fixture(scope="module")
def merger(docker_compose: None, tmp_path_factory: pytest.TempPathFactory) -> Merger:
    return Merger(tmp_path_factory.mktemp("installation"))


def load(merged: dict[str, Any], service: str) -> ServiceConfig:
    """Load a service's configuration from its merged environment."""
    environment = {
        name: value
        for name, value in merged["services"][service]["environment"].items()
        if name.startswith("SOLEKEY_") and not name.startswith("SOLEKEY_TLS_")  # whose files are not here
    }
    kind = getattr(import_module(f"solekey_{service}.config"), f"{service.title()}Config")
    config: ServiceConfig = load_config(kind, environment)
    return config


def find_faults(name: str, settings: dict[str, Any]) -> list[str]:
    """Say what a container may do that none has to."""
    wanted = {
        "read_only": settings.get("read_only") is True,
        "cap_drop": settings.get("cap_drop") == ["ALL"],
        "no-new-privileges": "no-new-privileges:true" in settings.get("security_opt", ()),
        "mem_limit": "mem_limit" in settings,
        "pids_limit": "pids_limit" in settings,
        "logging": "max-size" in settings.get("logging", {}).get("options", {}),
        "secrets": all(secret["source"] for secret in settings.get("secrets", ())),
    }
    return [f"{name}: {fault}" for fault, holds in wanted.items() if not holds]


def test_every_container_is_bounded_and_has_few_rights(merger: Merger) -> None:
    """Those of the overrides, too, all at once."""
    services = merger.merge("three-brokers", "s3", "auditor", "mtls")["services"]
    assert set(services) == {*SERVICES, *BROKERS, "proxy", "postgres", "kafka-init"}
    assert [fault for name, settings in services.items() for fault in find_faults(name, settings)] == []
    bare = {"image": "anything", "secrets": [{"source": ""}]}
    assert len(find_faults("bare", bare)) == 7  # the positive control


@pytest.mark.parametrize("override", OVERRIDES)
def test_secrets_are_files_that_are_made_or_asked_for(merger: Merger, override: str, tmp_path: Path) -> None:
    make_installation(tmp_path)
    for secret in merger.merge(override)["secrets"].values():
        path = Path(secret["file"])
        made = tmp_path / "secrets" / path.name
        assert made.is_file() or path == (ROOT / GIVEN["DATABASE_CA"]).resolve()


@pytest.mark.parametrize(
    ("override", "variable"),
    [
        ("database", "DATABASE_HOST"),
        ("database", "DATABASE_CA"),
        ("s3", "OBJECT_STORE_URL"),
        ("s3", "AWS_SECRET_ACCESS_KEY"),
        ("auditor", "AUDITORS_ADDRESS"),
    ],
)
def test_what_has_no_default_is_demanded(merger: Merger, override: str, variable: str) -> None:
    done = merger.try_(override, without=variable)
    assert done.returncode != 0
    assert variable in done.stderr


def test_three_brokers_differ_in_name_and_disk_alone(merger: Merger) -> None:
    services = merger.merge("three-brokers")["services"]
    seen = []
    for number, name in enumerate(BROKERS, start=1):
        settings = services[name]
        environment = settings.pop("environment")
        assert (environment.pop("KAFKA_NODE_ID"), environment.pop("KAFKA_HOST")) == (str(number), name)
        (disk,) = [volume for volume in settings["volumes"] if volume["type"] == "volume"]
        settings["volumes"].remove(disk)
        settings["volumes"].sort(key=lambda volume: volume["target"])
        assert (disk["source"], disk["target"]) == (name, "/var/lib/kafka/data")
        seen.append((environment, settings))
    assert seen == [seen[0]] * 3


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_knows_the_three_brokers(merger: Merger, service: str) -> None:
    config = load(merger.merge("three-brokers"), service)
    address = parse_address(config.bus_config("test"))
    assert isinstance(address, KafkaAddress)
    assert address.servers == tuple(f"{broker}:9092" for broker in BROKERS)
    assert (address.username, address.security) == (service, "sasl_tls")
    assert {(topic.replication_factor, topic.min_insync_replicas) for topic in config.topics()} == {(3, 2)}


@pytest.mark.parametrize("service", SERVICES)
def test_a_database_elsewhere_is_verified(merger: Merger, service: str) -> None:
    merged = merger.merge("database")
    assert "postgres" not in merged["services"]
    settings = merged["services"][service]
    assert set(settings["depends_on"]) == {"kafka-init"}
    url = make_url(load(merged, service).database_url.reveal())
    assert (url.username, url.host) == (f"solekey_{service}", GIVEN["DATABASE_HOST"])
    assert url.query == {"sslmode": "verify-full", "sslrootcert": "/run/secrets/database_ca"}
    assert {"source": "database_ca", "target": "/run/secrets/database_ca"} in settings["secrets"]
    assert not merged["networks"]["outside"].get("internal")


def test_a_vault_with_a_bucket_has_no_folder(merger: Merger) -> None:
    merged = merger.merge("s3")
    vault = merged["services"]["vault"]
    assert "volumes" not in vault
    assert vault["environment"]["SOLEKEY_OBJECT_STORE_URL"] == GIVEN["OBJECT_STORE_URL"]
    assert load(merged, "vault")
    assert set(vault["networks"]) == {"backend", "outside"}


def test_auditors_reach_the_broker_at_one_port(merger: Merger) -> None:
    services = merger.merge("auditor")["services"]
    published = {name: settings["ports"] for name, settings in services.items() if "ports" in settings}
    assert set(published) == {"proxy", "kafka"}
    (port,) = published["kafka"]
    assert (port["published"], port["target"]) == ("9095", 9095)
    assert services["kafka"]["environment"]["KAFKA_MORE_ADDRESSES"].endswith(GIVEN["AUDITORS_ADDRESS"])


def test_the_overrides_are_what_the_generator_makes() -> None:
    command = [sys.executable, DEPLOY / "generate_overrides.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
