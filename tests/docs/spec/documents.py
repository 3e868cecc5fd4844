"""Reads the documents of spec/: YAML without duplicate keys, references between files, schemas in use."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, unquote

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from solekey_protocol.services import Service
from tests.support.repository import ROOT

SPEC = ROOT / "spec"
COMMON = SPEC / "openapi" / "common.yaml"
ASYNCAPI = SPEC / "asyncapi.yaml"
SERVICES = tuple(service.value for service in Service)
METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")


def api_file(service: str) -> Path:
    return SPEC / "openapi" / f"{service}.yaml"


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that stands twice; PyYAML would keep the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key stands twice", node.start_mark)
        return mapping


def parse_yaml(text: str) -> Any:
    return yaml.load(text, _StrictLoader)  # noqa: S506 - a SafeLoader


@cache
def load(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else parse_yaml(text)


@dataclass(frozen=True, slots=True)
class Node:
    """A value, the file that it stands in, which its references are relative to, and its place there."""

    file: Path
    value: Any
    pointer: str = ""

    def __getitem__(self, key: str | int) -> "Node":
        token = quote(str(key).replace("~", "~0").replace("/", "~1"))
        return Node(self.file, self.value[key], f"{self.pointer}/{token}").resolved()

    def get(self, key: str) -> "Node | None":
        return self[key] if key in self.value else None

    def items(self) -> Iterator[tuple[str, "Node"]]:
        return ((key, self[key]) for key in self.value)

    def values(self) -> Iterator["Node"]:
        return (self[key] for key in self.value)

    def resolved(self) -> "Node":
        node = self
        while isinstance(node.value, dict) and set(node.value) == {"$ref"}:
            node = find(node.file, node.value["$ref"])
        return node


def root(path: Path) -> Node:
    return Node(path, load(path))


def find(file: Path, reference: str) -> Node:
    """Find what a reference names. Raises KeyError or OSError when there is no such thing."""
    name, _, pointer = reference.partition("#")
    target = (file.parent / name).resolve() if name else file
    value = load(target)
    for token in filter(None, pointer.split("/")):
        key = unquote(token).replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return Node(target, value, pointer)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for member in value:
            yield from references(member)


def operations(service: str) -> Iterator[tuple[str, str, Node]]:
    """Every operation of a service: method in capitals, path, operation."""
    for path, item in root(api_file(service))["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield method.upper(), path, operation


def problem_codes(response: Node) -> set[str]:
    """The codes that a response may carry; none when it is no problem document."""
    media = response["content"].get("application/problem+json") if "content" in response.value else None
    return set() if media is None else set(media["schema"]["allOf"][1]["properties"]["code"]["enum"].value)


def _retrieve(uri: str) -> Resource[Any]:
    return DRAFT202012.create_resource(load(Path(uri.removeprefix("file://"))))


_REGISTRY: Registry[Any] = Registry(retrieve=_retrieve)


def validator(file: Path, pointer: str) -> Draft202012Validator:
    """A validator of a schema that stands in a document of spec/, references and all."""
    schema = {"$ref": f"{file.as_uri()}#{pointer}"}
    return Draft202012Validator(schema, registry=cast("Any", _REGISTRY))
