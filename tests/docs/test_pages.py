"""The pages that say which test shows what: none of them names a test that is gone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.asvs_ids import REQUIREMENTS
from tests.docs.named_tests import find_named, find_tests
from tests.support.repository import ROOT, TESTS

ASVS = ROOT / "docs" / "asvs.md"
README = TESTS / "system" / "adversary" / "README.md"
THREATS = ROOT / "spec" / "threat-model.md"
PROMISES = ("P1", "P2", "P3", "P4", "P5")
DOCUMENT = re.compile(r"`(spec|docs|deploy)/[\w./-]*`")
STATES = ("met", "not applicable", "open")


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement as the page states it."""

    id: str
    level: str
    requirement: str
    state: str
    ground: str


def read_rows(text: str) -> Iterator[Row]:
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and re.fullmatch(r"\d+\.\d+\.\d+", cells[0]):
            yield Row(*cells)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(read_rows(ASVS.read_text()))


@pytest.fixture(scope="module")
def tests() -> frozenset[str]:
    return find_tests()


@pytest.mark.parametrize("page", [ASVS, README, THREATS], ids=lambda page: page.name)
def test_every_test_that_a_page_names_exists(page: Path, tests: frozenset[str]) -> None:
    named = find_named(page.read_text())
    assert named
    assert sorted(set(named) - tests) == []


def test_the_threat_model_names_a_test_for_each_promise_and_attacker() -> None:
    section = THREATS.read_text().split("## 3. ")[1].split("## 4. ")[0]
    table = [line.split("|")[1:-1] for line in section.splitlines() if re.match(r"\| P\d \|", line)]
    assert {row[0].strip() for row in table} == set(PROMISES)
    for promise, attacker, holds, tests, fails in table:
        assert find_named(tests), (promise, attacker)
        assert holds.strip(), (promise, attacker)
        assert fails.strip(), (promise, attacker)


def test_every_requirement_stands_there_once_with_its_level(rows: list[Row]) -> None:
    assert [(row.id, row.level) for row in rows] == list(REQUIREMENTS.items())


def test_every_requirement_has_a_state_and_its_ground(rows: list[Row]) -> None:
    for row in rows:
        assert row.state in STATES, row.id
        assert len(row.requirement) > 15, row.id
        assert len(row.ground) > 15, row.id


def test_what_is_met_names_a_test_and_what_is_not_says_why(rows: list[Row]) -> None:
    """A state without a test is a claim. Met by a document alone: the document is named."""
    for row in rows:
        if row.state == "met":
            assert find_named(row.ground) or re.search(r"`(spec|docs|deploy|README)[\w./-]*`", row.ground), (
                row.id
            )
        else:
            assert re.search(r"[a-z]{3,} [a-z]{2,}", row.ground), row.id


def test_the_summary_counts_right(rows: list[Row]) -> None:
    text = ASVS.read_text()
    for chapter in ("6", "7", "9", "10"):
        counts = [sum(r.state == state and r.id.split(".")[0] == chapter for r in rows) for state in STATES]
        assert re.search(rf"\| V{chapter} [^|]*\| " + r" \| ".join(map(str, counts)) + r" \|", text), (
            chapter,
            counts,
        )


def test_a_page_that_lies_is_found(tests: frozenset[str]) -> None:
    """The positive controls."""
    assert set(find_named("`unit/service/access/test_guard.py::test_that_never_was`")) - tests
    good = "| 6.1.1 | 1 | Something is documented | met | `unit/service/access/test_guard.py::test_x` |"
    (row,) = read_rows(good)
    assert (row.id, row.level, row.state) == ("6.1.1", "1", "met")
    assert find_named(row.ground) == ["unit/service/access/test_guard.py::test_x"]
    assert list(read_rows("| id | level | requirement |")) == []
