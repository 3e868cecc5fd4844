"""What cannot derive from the registry of services is compared with it, and each missing line is named."""

import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from solekey_protocol.events import BODIES
from solekey_protocol.services import Service, Stream
from solekey_protocol.streams import FOLDS
from tests.support.repository import ROOT

NAMES = tuple(service.value for service in Service)
CONTRACTS_WITH_SERVICES = ("server-cannot-decrypt", "server-without-client")


def find_missing_in_compose(names: Iterable[str]) -> Iterator[str]:
    """Name what docker-compose.yml lacks of each service."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name in names:
        variable = name.upper()
        for key, holder, wanted in (
            ("a block", services, name),
            ("depends_on", services["proxy"]["depends_on"], name),
            ("PROXY_UPSTREAMS", services["proxy"]["environment"]["PROXY_UPSTREAMS"], f"{name} {name}:8080;"),
            ("the password", services["postgres"]["environment"], f"{variable}_DATABASE_PASSWORD"),
            ("the password", services["kafka-init"]["environment"], f"{variable}_BUS_PASSWORD"),
        ):
            if wanted not in holder:
                yield f"docker-compose.yml: {key}: {wanted}"


def find_missing_in_pyproject(names: Iterable[str]) -> Iterator[str]:
    """Name what pyproject.toml lacks of each service."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    contracts = {contract["id"]: contract for contract in tool["importlinter"]["contracts"]}
    for name in names:
        package = f"solekey_{name}"
        lists = {
            "mypy.mypy_path": (tool["mypy"]["mypy_path"].split(":"), f"services/{name}"),
            "mypy.packages": (tool["mypy"]["packages"], package),
            "coverage.run.source_pkgs": (tool["coverage"]["run"]["source_pkgs"], package),
            "importlinter.root_packages": (tool["importlinter"]["root_packages"], package),
            "server-layers": (contracts["server-layers"]["layers"][1].split(" | "), package),
            "client-without-server": (contracts["client-without-server"]["forbidden_modules"], package),
            **{each: (contracts[each]["source_modules"], package) for each in CONTRACTS_WITH_SERVICES},
        }
        yield from (
            f"pyproject.toml: {key}: {wanted}" for key, (held, wanted) in lists.items() if wanted not in held
        )


def find_missing_in_standalone(names: Iterable[str]) -> Iterator[str]:
    """Name what the embedded platform does not depend on."""
    manifest = ROOT / "services" / "standalone" / "pyproject.toml"
    dependencies = tomllib.loads(manifest.read_text())["project"]["dependencies"]
    yield from (
        f"services/standalone/pyproject.toml: solekey-{name}"
        for name in names
        if f"solekey-{name}" not in dependencies
    )


def find_missing_packages(names: Iterable[str]) -> Iterator[str]:
    """Name the packages and API documents that are not there."""
    for name in names:
        for path in (f"services/{name}/solekey_{name}/definition.py", f"spec/openapi/{name}.yaml"):
            if not (ROOT / path).exists():
                yield path


def find_missing(names: Iterable[str]) -> list[str]:
    """Name every line that the services lack somewhere."""
    finders = (
        find_missing_in_compose,
        find_missing_in_pyproject,
        find_missing_in_standalone,
        find_missing_packages,
    )
    return [line for find in finders for line in find(names)]


def test_nothing_is_missing() -> None:
    assert find_missing(NAMES) == []


def test_positive_control_each_missing_line_of_a_fifth_service_is_named() -> None:
    assert find_missing(["fifth"]) == [
        "docker-compose.yml: a block: fifth",
        "docker-compose.yml: depends_on: fifth",
        "docker-compose.yml: PROXY_UPSTREAMS: fifth fifth:8080;",
        "docker-compose.yml: the password: FIFTH_DATABASE_PASSWORD",
        "docker-compose.yml: the password: FIFTH_BUS_PASSWORD",
        "pyproject.toml: mypy.mypy_path: services/fifth",
        "pyproject.toml: mypy.packages: solekey_fifth",
        "pyproject.toml: coverage.run.source_pkgs: solekey_fifth",
        "pyproject.toml: importlinter.root_packages: solekey_fifth",
        "pyproject.toml: server-layers: solekey_fifth",
        "pyproject.toml: client-without-server: solekey_fifth",
        *(f"pyproject.toml: {each}: solekey_fifth" for each in CONTRACTS_WITH_SERVICES),
        "services/standalone/pyproject.toml: solekey-fifth",
        "services/fifth/solekey_fifth/definition.py",
        "spec/openapi/fifth.yaml",
    ]


def test_no_file_knows_a_service_that_the_registry_does_not() -> None:
    folders = {path.name for path in (ROOT / "services").iterdir() if (path / "pyproject.toml").exists()}
    assert folders == {*NAMES, "standalone"}
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert set(services) == {*NAMES, "proxy", "postgres", "kafka", "kafka-init"}


def test_each_stream_has_a_fold_and_events() -> None:
    assert set(FOLDS) == set(Stream) == {body.STREAM for body in BODIES.values()}


def test_the_override_for_tls_inside_is_generated() -> None:
    command = [sys.executable, ROOT / "deploy" / "generate_mtls.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


GUIDE = ROOT / "docs" / "how-to-add-a-service.md"
EDITED = (
    "libs/protocol/solekey_protocol/services.py",
    "libs/protocol/solekey_protocol/events/__init__.py",
    "libs/protocol/solekey_protocol/streams/__init__.py",
    "services/standalone/pyproject.toml",
    "pyproject.toml",
    "docker-compose.yml",
)


def test_the_guide_lists_the_files_that_a_service_edits() -> None:
    table = [line for line in GUIDE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    listed = tuple(line.split("`")[1] for line in table)
    assert listed == EDITED
    assert len(listed) <= 6
    for path in listed:
        assert (ROOT / path).exists()


def test_no_other_file_lists_the_services() -> None:
    """Three neighbours of the registry in one file, line by line or in one line, are a list of services."""
    files = subprocess.run(
        [
            "git",
            "grep",
            "-lw",
            "rotation",
            "--",
            ":!tests",
            ":!spec",
            ":!docs",
            ":!bench",
            "*.py",
            "*.toml",
            "*.sh",
            "*.yml",
            "*.template",
            "*Dockerfile",
            "Makefile",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    listing = set()
    for path in files:
        for line in (ROOT / path).read_text(encoding="utf-8").splitlines():
            words = line.replace("solekey_", " ").replace("services/", " ")
            if all(name in words for name in NAMES) and not line.lstrip().startswith(("#", '"""', "from ")):
                listing.add(path)
    assert listing <= set(EDITED)
