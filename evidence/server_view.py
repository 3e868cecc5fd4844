"""What the server does see: the names of all fields in the transcript, held against the threat model's list.

A field that `spec/threat-model.md` §6 does not list fails; so does a member of a statement's body that no
schema of `spec/events` has, and a path that no OpenAPI document has.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

import yaml

from evidence.exchanges import Exchange
from solekey_protocol.encoding import parse_cbor
from solekey_protocol.limits import MAX_CHANGE_LIST_VALUES

SPEC: Final = Path(__file__).parents[1] / "spec"
HEADING: Final = "## 6. What the server sees"
_STATEMENT_BODY: Final = "statement.body."
_CODE: Final = re.compile(r"`([^`]+)`")
_PARAMETER: Final = re.compile(r"\{\w+\}")


def list_fields(exchanges: Iterable[Exchange]) -> set[str]:
    """List the names of all fields of all requests: of HTTP, proofs, queries and bodies."""
    return {name for exchange in exchanges for name in _list_fields(exchange)}


def _list_fields(exchange: Exchange) -> Iterator[str]:
    request = exchange.request
    path, _, query = exchange.target.partition("?")
    yield f"{exchange.method} {_find_template(path)}"
    yield from (f"?{name}" for name, _ in parse_qsl(query, keep_blank_values=True))
    for name, value in request.fields:
        yield name
        if name == "DPoP":
            header, claims, _ = value.split(".")
            yield from (f"DPoP {member}" for part in (header, claims) for member in _decode_part(part))
    if not request.body:
        return
    kind = request.find("Content-Type")
    if kind == "application/json":
        yield from _walk(json.loads(request.body), "")
    elif kind == "application/cbor":
        size = len(request.body)
        yield from _walk(parse_cbor(request.body, max_bytes=size, max_values=MAX_CHANGE_LIST_VALUES), "")
    else:
        yield f"a body of {kind}"


def _decode_part(part: str) -> Iterator[str]:
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    yield from decoded


def _walk(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _walk(member, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list | tuple):
        yield from (name for each in value for name in _walk(each, f"{place}[]"))
        if not value:
            yield f"{place}[]"
    else:
        yield place


def find_unlisted(fields: set[str]) -> list[str]:
    """Find the fields that nobody has listed."""
    listed, members = _read_listed(), _read_event_members()
    unlisted = []
    for field in sorted(fields):
        if field.startswith(_STATEMENT_BODY):
            known = set(re.split(r"[.\[\]]+", field.removeprefix(_STATEMENT_BODY))) - {""} <= members
        else:
            known = field in listed or any(field == f"{method} {path}" for method, path in _read_paths())
        if not known:
            unlisted.append(field)
    return unlisted


@cache
def _read_listed() -> frozenset[str]:
    """Read the names in the threat model's table."""
    section = (SPEC / "threat-model.md").read_text().partition(HEADING)[2].partition("\n## ")[0]
    return frozenset(
        name for line in section.splitlines() if line.startswith("|") for name in _CODE.findall(line)
    )


@cache
def _read_event_members() -> frozenset[str]:
    """Read the names of all members that the schemas of events have."""
    files = (SPEC / "events").glob("*.json")
    return frozenset(name for file in files for name in _find_members(json.loads(file.read_text())))


def _find_members(schema: Any) -> Iterator[str]:
    """Find the names that stand under ``properties``, at every level of a JSON Schema."""
    if isinstance(schema, dict):
        if isinstance(properties := schema.get("properties"), dict):
            yield from properties
        for member in schema.values():
            yield from _find_members(member)
    elif isinstance(schema, list):
        for member in schema:
            yield from _find_members(member)


@cache
def _read_paths() -> frozenset[tuple[str, str]]:
    """Read the methods and paths of all OpenAPI documents."""
    return frozenset(
        (method.upper(), path)
        for file in (SPEC / "openapi").glob("*.yaml")
        for path, methods in (yaml.safe_load(file.read_text()).get("paths") or {}).items()
        for method in methods
    )


@cache
def _find_template(path: str) -> str:
    """Find the path of an OpenAPI document that fits; the path itself where none does."""
    templates = sorted({template for _, template in _read_paths()}, key=lambda each: each.count("{"))
    for template in templates:
        pattern = "[^/]+".join(re.escape(part) for part in _PARAMETER.split(template))
        if re.fullmatch(pattern, path):
            return template
    return path
