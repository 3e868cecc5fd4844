"""Which tests there are, so that pages which name them cannot name one that is gone.

A test is named from the folder tests/, as ``unit/vault/test_commits.py::test_a_test``; one of a class as
``file::Class::test``.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.repository import TESTS

_NAMED = re.compile(r"`((?:\w+/)+test_\w+\.py::[\w:]+)`")


def find_tests() -> frozenset[str]:
    """Find every test of the tree, without importing any."""
    return frozenset(test for file in TESTS.rglob("test_*.py") for test in _list_tests(file))


def find_named(text: str) -> list[str]:
    """Find the tests that a page names."""
    return _NAMED.findall(text)


def _list_tests(file: Path) -> Iterator[str]:
    place = file.relative_to(TESTS).as_posix()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield f"{place}::{node.name}"
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and inner.name.startswith("test_"):
                    yield f"{place}::{node.name}::{inner.name}"
