"""No parser is forgotten: each public function that parses is named by a target, or here with the reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.repository import ROOT
from tests.support.tree import PACKAGE_FOLDERS, find_modules
from tests.system.fuzz.test_fuzz import TARGETS

FRAMING = (  # framing_program.py
    "http_server.body.open_body",
    "http_server.body.BodyReader.read",
    "http.request.parse_query",
)
EXEMPT = {
    "solekey.audit.archive.chunks.decode_chunk": "read behind a digest that the auditor has signed",
    "solekey.audit.archive.results.decode_result": "the same",
    "solekey_eventlog.bus.kafka_consumer.parse_record": "takes the Kafka library's record apart: no text",
    "solekey_eventlog.projector.parse_record": "parse_event, which is fuzzed, and two comparisons",
    "solekey_service.command_line.parse_command_line": "argparse's; the operator types it",
    "solekey_service.worker_link.parse_inherited": "our own supervisor's; on the command line of a worker",
    "solekey_service.http_server.connection.Connection.parse_request": "eventlet's, within a deadline",
}
COVERED = {name for target in TARGETS for name in target.covers} | set(FRAMING)


def find_functions(tree: ast.AST, prefix: str) -> Iterator[str]:
    """The qualified names of the functions and methods of a module."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from find_functions(node, f"{prefix}.{node.name}")
        elif isinstance(node, ast.FunctionDef):
            yield f"{prefix}.{node.name}"


def find_all() -> set[str]:
    found: set[str] = set()
    for package in PACKAGE_FOLDERS:
        for path in find_modules(package):
            parts = path.relative_to(ROOT / PACKAGE_FOLDERS[package]).with_suffix("").parts
            found |= set(find_functions(ast.parse(path.read_text()), ".".join(parts)))
    return found


ALL = find_all()
PARSERS = sorted(name for name in ALL if name.rpartition(".")[2].startswith(("parse", "decode")))


@pytest.mark.parametrize("parser", PARSERS)
def test_each_parser_is_fuzzed(parser: str) -> None:
    covered = any(f".{parser}".endswith(f".{name}") for name in COVERED)
    assert covered != (parser in EXEMPT), "name it in the `covers` of a target that parses with it"


@pytest.mark.parametrize("name", sorted(COVERED))
def test_each_name_exists(name: str) -> None:
    classes = {found.rpartition(".")[0] for found in ALL}
    assert any(f".{found}".endswith(f".{name}") for found in ALL | classes)


def test_the_search_finds_parsers() -> None:
    assert {"solekey_protocol.event.parse_event", "solekey_devices.device_name.DeviceName.parse"} <= set(
        PARSERS
    )
    assert len(PARSERS) > 40
    source = "class A:\n    def parse(self): ...\ndef parse_b(): ...\n"
    assert list(find_functions(ast.parse(source), "m")) == ["m.A.parse", "m.parse_b"]
    assert Path(ROOT, "spec").is_dir()
