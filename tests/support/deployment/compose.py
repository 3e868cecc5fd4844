"""Reads docker-compose.yml as Compose does: merge keys, ``${NAME:?why}`` and ``${NAME:-default}``."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from solekey_protocol.services import Service
from tests.support.repository import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE_FILE = ROOT / "docker-compose.yml"
SERVICES = tuple(service.value for service in Service)
GIVEN = {
    "DATABASE_HOST": "db.example.org",
    "DATABASE_CA": "./deploy/database-ca.pem",
    "OBJECT_STORE_URL": "s3://bucket/prefix",
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "eu-central-1",
    "AUDITORS_ADDRESS": "log.example.org:9095",
    "GRAFANA_PASSWORD": "grafana",
}
"""What the overrides demand of their operator's environment."""

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<operator>:\?|:-)(?P<operand>[^}]*))?\}")


class MissingVariableError(Exception):
    """A variable that the file demands is not set."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One ``${…}`` of the file."""

    name: str
    operator: str | None
    operand: str | None


def find_variables() -> list[Variable]:
    """List every variable that the file names."""
    return [
        Variable(found["name"], found["operator"], found["operand"])
        for found in _VARIABLE.finditer(COMPOSE_FILE.read_text())
    ]


def load_compose(environ: Mapping[str, str]) -> dict[str, Any]:
    """Load the file with variables from ``environ`` alone. Raises MissingVariableError."""
    compose: dict[str, Any] = _interpolate(yaml.safe_load(COMPOSE_FILE.read_text()), environ)
    return compose


def load_override(name: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Load an override of deploy/ as it stands, with variables from ``environ`` alone.

    What ``!reset`` and ``!override`` mark is there without its mark. Raises MissingVariableError.
    """
    override: dict[str, Any] = _interpolate(_load_marked((DEPLOY / name).read_text()), environ)
    return override


class _OverrideLoader(yaml.SafeLoader):
    """Reads Compose's own tags as what they mark."""


def _load_marked(text: str) -> Any:
    return yaml.load(text, _OverrideLoader)  # noqa: S506  # a SafeLoader with two tags more


def _read_marked(loader: _OverrideLoader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else None


for _tag in ("!reset", "!override"):
    _OverrideLoader.add_constructor(_tag, _read_marked)


def read_env_file(path: Path) -> dict[str, str]:
    """Read a file of NAME=value lines."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def make_installation(folder: Path, origin: str = "https://localhost:8443") -> dict[str, str]:
    """Make an installation's secrets as its operator does, in ``folder``; return the environment."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, str(DEPLOY / "make_secrets.py"), origin, "--folder", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return read_env_file(folder / ".env")


def _interpolate(node: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _interpolate(value, environ) for key, value in node.items()}
    if isinstance(node, list):
        return [_interpolate(value, environ) for value in node]
    return _VARIABLE.sub(lambda found: _look_up(found, environ), node) if isinstance(node, str) else node


def _look_up(found: re.Match[str], environ: Mapping[str, str]) -> str:
    value = environ.get(found["name"], "")
    if not value and found["operator"] == ":-":
        return found["operand"]
    if not value:
        raise MissingVariableError(f"{found['name']}: {found['operand'] or 'is not set'}")
    return value


def find_strings(node: Any) -> Iterator[str]:
    """Yield every string of a loaded file, keys included."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from find_strings(key)
            yield from find_strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from find_strings(value)
    elif isinstance(node, str):
        yield node
