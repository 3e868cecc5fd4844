"""deploy/kubernetes, rendered by Kustomize: valid for Kubernetes, and the same as docker-compose.yml says.

No cluster runs here. What Kubernetes puts into a variable ($(NAME), references) is put in as it does.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from sqlalchemy.engine import make_url

from solekey_eventlog.bus.config import BusConfig, KafkaAddress, parse_address
from solekey_service.config import ServiceConfig, load_config
from tests.support.deployment.compose import (
    DEPLOY,
    SERVICES,
    load_compose,
    load_override,
    make_installation,
    read_env_file,
)
from tests.support.engines.engine import EngineUnavailableError, give_up

pytestmark = pytest.mark.slow

VERSIONS = ("1.31", "1.37")
"""The oldest and the newest release of Kubernetes that the manifests are checked against."""
AUTHORITIES = ("database-ca.pem", "kafka-ca.pem")
UNITS = {"m": 2**20, "g": 2**30, "Mi": 2**20, "Gi": 2**30}

Document = dict[str, Any]


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which an installation's secrets were made."""
    folder = tmp_path_factory.mktemp("installation")
    make_installation(folder)
    return folder


@pytest.fixture(scope="module")
def rendered(secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    """The example, with the two files that an operator brings."""
    if shutil.which("kubectl") is None:
        give_up(EngineUnavailableError("no kubectl, which has Kustomize"))
    folder = tmp_path_factory.mktemp("kubernetes") / "kubernetes"
    shutil.copytree(DEPLOY / "kubernetes", folder)
    for name in AUTHORITIES:
        shutil.copy(secrets / "secrets" / "ca-cert.pem", folder / "overlays" / "example" / name)
    command = ["kubectl", "kustomize", str(folder / "overlays" / "example")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture(scope="module")
def compose(secrets: Path) -> Document:
    return load_compose(read_env_file(secrets / ".env"))["services"]  # type: ignore[no-any-return]  # YAML


def find(rendered: list[Document], kind: str, name: str) -> Document:
    (found,) = (
        each
        for each in rendered
        if each["kind"] == kind and re.fullmatch(rf"{name}(-[0-9a-z]{{10}})?", each["metadata"]["name"])
    )
    return found


def find_pod(rendered: list[Document], name: str) -> tuple[Document, Document]:
    """Find a workload's pod and its one container."""
    kind = "Job" if name == "prepare-kafka" else "Deployment"
    pod: Document = find(rendered, kind, name)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    return pod, container


def find_environment(rendered: list[Document], secrets: Path, container: Document) -> dict[str, str]:
    """Give the container's variables the values that Kubernetes would."""
    held = {
        "solekey": read_env_file(secrets / ".env"),
        "solekey-kafka-administrator": {"password": "of the administrator"},
    }
    found: dict[str, str] = {}
    for variable in container["env"]:
        source = variable.get("valueFrom", {})
        if "secretKeyRef" in source:
            value = held[source["secretKeyRef"]["name"]][source["secretKeyRef"]["key"]]
        elif "configMapKeyRef" in source:
            reference = source["configMapKeyRef"]
            config = next(each for each in rendered if each["metadata"]["name"] == reference["name"])
            value = config["data"][reference["key"]]
        elif "fieldRef" in source:
            assert source["fieldRef"]["fieldPath"] == "metadata.namespace"
            value = "solekey"
        else:
            value = re.sub(r"\$\((\w+)\)", lambda name: found[name[1]], variable["value"])
        found[variable["name"]] = value
    return found


def load(service: str, environment: dict[str, str]) -> ServiceConfig:
    kind = getattr(import_module(f"solekey_{service}.config"), f"{service.title()}Config")
    settings = {name: value for name, value in environment.items() if name.startswith("SOLEKEY_")}
    config: ServiceConfig = load_config(kind, settings)
    return config


def find_invalid(documents: list[Document], version: str) -> Iterator[str]:
    for each in documents:
        try:
            kubernetes_validate.validate(each, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{each['kind']} {each['metadata']['name']}: {error.message}"


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_field(rendered: list[Document], version: str) -> None:
    assert list(find_invalid(rendered, version)) == []


def test_a_field_that_kubernetes_does_not_know_is_found(rendered: list[Document]) -> None:
    """The positive controls: a misspelt field, and a number where a text belongs."""
    pod, container = find_pod(rendered, "auth")
    deployment = find(rendered, "Deployment", "auth")
    spec = deployment["spec"] | {"template": {"spec": pod | {"automountServiceAccountTokens": False}}}
    assert list(find_invalid([deployment | {"spec": spec}], VERSIONS[0])) != []
    spec = deployment["spec"] | {"template": {"spec": pod | {"containers": [container | {"image": 1}]}}}
    assert list(find_invalid([deployment | {"spec": spec}], VERSIONS[0])) != []


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_what_compose_tells_it(
    rendered: list[Document], secrets: Path, compose: Document, service: str
) -> None:
    _, container = find_pod(rendered, service)
    environment = find_environment(rendered, secrets, container)
    given = {name for name in environment if name.startswith("SOLEKEY_")}
    overrides = [load_override(f"{name}.yml", {})["services"][service] for name in ("mtls",)]
    replicated = {"SOLEKEY_BUS_REPLICATION_FACTOR", "SOLEKEY_BUS_MIN_INSYNC_REPLICAS"}
    assert given == {*compose[service]["environment"], *overrides[0]["environment"], *replicated}
    assert container["command"] == compose[service]["command"]
    assert container["image"].rpartition("/")[2].partition(":")[0] == compose[service]["image"]
    certificate = secrets / "secrets" / f"{service}-tls.pem"
    settings = environment | {"SOLEKEY_TLS_CERT": str(certificate), "SOLEKEY_TLS_KEY": str(certificate)}
    config = load(service, settings)
    url = make_url(config.database_url.reveal())
    assert (url.username, url.host) == (f"solekey_{service}", "db.example.org")
    assert url.query == {"sslmode": "verify-full", "sslrootcert": "/etc/solekey/database-ca.pem"}
    address = parse_address(config.bus_config("test"))
    assert isinstance(address, KafkaAddress)
    assert (address.username, address.security, len(address.servers)) == (service, "sasl_tls", 3)
    assert {topic.replication_factor for topic in config.topics()} == {3}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_asked_whether_it_lives_and_whether_it_is_ready(
    rendered: list[Document], secrets: Path, service: str
) -> None:
    """Restarted is only what does not live: one that waits for another is not sent requests."""
    _, container = find_pod(rendered, service)
    listen = find_environment(rendered, secrets, container)["SOLEKEY_MONITORING_LISTEN"]
    (port,) = (port for port in container["ports"] if port["name"] == "monitoring")
    assert listen == f"0.0.0.0:{port['containerPort']}"
    probes = {
        name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")
    }
    assert probes == {"startup": "/live", "readiness": "/ready", "liveness": "/live"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_gets_its_own_secrets_and_no_other(rendered: list[Document], service: str) -> None:
    pod, container = find_pod(rendered, service)
    keys = [
        variable["valueFrom"]["secretKeyRef"]["key"]
        for variable in container["env"]
        if "secretKeyRef" in variable.get("valueFrom", {})
    ]
    assert keys
    assert all(key.startswith(f"{service.upper()}_") for key in keys)
    files = [item["key"] for volume in pod["volumes"] for item in volume.get("secret", {}).get("items", ())]
    assert sorted(files) == sorted([f"{service}-tls.pem", "ca-cert.pem"])


@pytest.mark.parametrize("name", [*SERVICES, "proxy", "prepare-kafka"])
def test_a_container_is_bounded_and_has_few_rights(
    rendered: list[Document], secrets: Path, compose: Document, name: str
) -> None:
    pod, container = find_pod(rendered, name)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    twin = compose["kafka-init" if name == "prepare-kafka" else name]
    assert count_bytes(container["resources"]["limits"]["memory"]) == count_bytes(twin["mem_limit"])
    folders = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert folders == {"/tmp", *twin.get("tmpfs", ())}  # the containers' own
    made = {path.name for path in (secrets / "secrets").iterdir()}
    for volume in pod["volumes"]:
        assert {item["key"] for item in volume.get("secret", {}).get("items", ())} <= made


def count_bytes(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(\w+)", text).groups()  # type: ignore[union-attr]  # or the test fails
    return int(number) * UNITS[unit]


def test_the_proxy_is_told_what_compose_tells_it(
    rendered: list[Document], secrets: Path, compose: Document
) -> None:
    pod, container = find_pod(rendered, "proxy")
    environment = find_environment(rendered, secrets, container)
    override = load_override("mtls.yml", {})["services"]["proxy"]["environment"]
    assert set(environment) - {"NAMESPACE"} == {*compose["proxy"]["environment"], *override}
    assert environment["PROXY_SCHEME"] == "https"
    assert container["image"] == compose["proxy"]["image"]
    upstreams = dict(each.split() for each in environment["PROXY_UPSTREAMS"].split(";") if each)
    assert upstreams == {name: f"{name}.solekey.svc.cluster.local:8080" for name in SERVICES}
    config = find(rendered, "ConfigMap", "solekey-proxy")
    assert config["data"] == {
        path.name: path.read_text() for path in (DEPLOY / "proxy").iterdir() if path.is_file()
    }
    service = find(rendered, "Service", "proxy")["spec"]
    assert service["externalTrafficPolicy"] == "Local"  # or all clients are one source
    assert [port["port"] for port in service["ports"]] == [443]
    assert pod["securityContext"]["runAsUser"] != 0


def test_kafka_is_prepared_by_its_administrator(rendered: list[Document], secrets: Path) -> None:
    _, container = find_pod(rendered, "prepare-kafka")
    environment = find_environment(rendered, secrets, container)
    assert {f"{name.upper()}_BUS_PASSWORD" for name in (*SERVICES, "auditor")} <= set(environment)
    config = BusConfig(environment["KAFKA_URL"], password=environment["KAFKA_PASSWORD"])
    address = parse_address(config)
    assert isinstance(address, KafkaAddress)
    assert (address.username, address.ca_file) == ("admin", "/etc/solekey/kafka-ca.pem")


def test_services_are_reached_by_the_proxy_alone(rendered: list[Document]) -> None:
    policies = {
        each["metadata"]["name"]: each["spec"] for each in rendered if each["kind"] == "NetworkPolicy"
    }
    assert policies["nothing"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    admitted = {name: spec["ingress"] for name, spec in policies.items() if "ingress" in spec}
    assert set(admitted) == {"clients-to-proxy", "proxy-to-services", "monitoring-to-services"}
    (measured,) = admitted["monitoring-to-services"]
    assert [port["port"] for port in measured["ports"]] == [9464]
    (rule,) = admitted["proxy-to-services"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "proxy"}}}]
    selected = policies["proxy-to-services"]["podSelector"]["matchLabels"]
    for service in SERVICES:
        labels = find(rendered, "Deployment", service)["spec"]["template"]["metadata"]["labels"]
        assert selected.items() <= labels.items()


def test_one_pod_of_each_is_always_there(rendered: list[Document]) -> None:
    for name in (*SERVICES, "proxy"):
        spec = find(rendered, "Deployment", name)["spec"]
        assert spec["replicas"] >= 2
        assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        assert find(rendered, "PodDisruptionBudget", name)["spec"]["minAvailable"] == 1


def test_the_manifests_are_what_the_generator_makes() -> None:
    command = [sys.executable, DEPLOY / "generate_kubernetes.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
