"""The second verifier (spec/second_verifier.py) against vectors, honest stories and all classes of lies.

It is written from spec/ alone. Where ours and it disagree, one of them is wrong, or the text is.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

from solekey.audit import Pin, Verdict, verify_log
from solekey_protocol.ids import AccountId
from tamper.classes import FAMILIES
from tamper.judging import find_pins
from tamper.stories import DAYS, HONEST, tell_whole
from tamper.tampering import BOUNDS, Exhibit, Tampering, vouch
from tamper.writing import write
from tests.support.repository import ROOT

FILE: Final = ROOT / "spec" / "second_verifier.py"
NOUNS: Final = (
    "event",
    "chain",
    "auth_stream",
    "devices_stream",
    "vault_stream",
    "rotation_stream",
    "lineage",
)
CLASSES: Final = [each for family in FAMILIES if family.letter in "ABCD" for each in family.classes]

NOT_HERE: Final[Mapping[str, tuple[str, ...]]] = {
    "it takes pins, and no signed head files or acceptances (PIN-04, PIN-05)": ("B15", "B22"),
    "it takes one head of a stream, and joins no files (PIN-03)": ("B24", "B25"),
    "it does not count what commits state (COM-01)": (
        *("D74", "D75", "D76", "D77", "D79", "D80"),
        *("D85", "D87", "D88", "D89", "D90", "D91", "D92", "D93"),
    ),
    "it does not look for ids of sessions and factors that come again (SES-02, FAC-01)": (
        *("C102", "C103", "C104"),
    ),
    "it does not pair causes and ends of sessions (SES-04, SES-09)": (
        *("C22", "C27", "C109", "C110", "C111", "C112", "C115"),
    ),
    "it does not look at who enrols the first factor (FAC-01)": ("C108",),
    "it does not match speakers with sessions (SES-06, DEV-01)": ("C28", "C29", "C30"),
    "it does not count recovery codes (FAC-02)": ("C34", "C39", "C40", "C94", "C105"),
    "it does not ask for fresh second factors (SES-08)": ("C42", "C43", "C116", "D27", "D28", "D29", "D30"),
    "it does not judge what is due (ROT-02, ROT-03)": (
        *("C44", "C45", "C46", "C47", "C48", "C49", "C50", "C51", "C52", "C96", "D59"),
    ),
    "it does not judge signing keys (KEY-01, KEY-02)": (
        *("C53", "C54", "C55", "C56", "C57", "C58", "C60", "C61"),
        *("C78", "C79", "C80", "C81", "C106"),
    ),
    "it does not hold times against each other (TIM-01, TIM-02)": ("C63", "C64"),
    "it does not judge what waits for a rotation (ROT-04)": ("D31",),
    "it does not count what a re-key re-encrypts and purges (ROT-01)": ("D53", "D55"),
}
"""The classes in which ours finds violations and the second verifier does not, by reason: exactly these."""
MISSED: Final = {each: reason for reason, classes in NOT_HERE.items() for each in classes}


def _load() -> ModuleType:
    spec = spec_from_file_location("second_verifier", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["second_verifier"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


SECOND: Final = _load()


def _convert(pins: Mapping[AccountId, Pin]) -> dict[str, Any]:
    """Pins as its file has them."""
    return {
        account: ({"first_key": pin.first_key} if pin.first_key else {})
        | {"heads": {stream.value: {"seq": h.seq, "digest": h.digest} for stream, h in pin.heads.items()}}
        for account, pin in pins.items()
    }


def _follow(noun: str, before: list[str], record: str) -> tuple[str, str | None]:
    """What it says of a record after others: result and stage, as in a vector."""
    account = SECOND.Account()
    try:
        for raw in before:
            account.follow(SECOND.parse_record(raw.encode()), lineage=noun == "lineage")
        event = SECOND.parse_record(record.encode())
        if noun != "event":
            account.follow(event, lineage=noun == "lineage")
    except SECOND.Refused as refusal:
        return refusal.args[0], refusal.args[1]
    return "ok", None


@pytest.mark.parametrize("noun", NOUNS)
def test_agrees_with_the_vectors(noun: str) -> None:
    document = json.loads((ROOT / f"spec/vectors/{noun}.json").read_bytes())
    assert document["vectors"]
    assert not _compare(noun, document)


@pytest.mark.parametrize("part", ["check_lineage", "check_signers", "check_values"])
def test_vectors_tell_when_a_part_is_missing(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SECOND, part, lambda *_: True)
    noun = {"check_lineage": "lineage", "check_signers": "vault_stream", "check_values": "event"}[part]
    document = json.loads((ROOT / f"spec/vectors/{noun}.json").read_bytes())
    assert len(_compare(noun, document)) > 5


def _compare(noun: str, document: dict[str, Any]) -> dict[str, Any]:
    """The vectors of which it says something else."""
    wrong: dict[str, Any] = {}
    for vector in document["vectors"]:
        before = [document["records"][name] for name in vector["input"].get("before", ())]
        said = _follow(noun, before, vector["input"]["record"])
        if said != (vector["result"], vector["stage"]):
            wrong[vector["name"]] = said
    return wrong


@pytest.mark.parametrize("name", HONEST)
def test_finds_nothing_in_honest_stories(name: str) -> None:
    written = write(HONEST[name]())
    pins = vouch(written, heads=True)
    ours = verify_log(written.records, pins, BOUNDS)
    second = SECOND.Audit(written.records, _convert(pins), BOUNDS.now)
    assert not second.found
    assert not ours.findings
    assert second.verdict == ours.verdict.value
    assert (ours.verdict is Verdict.CLEAN) == all(each.account in pins for each in ours.users)


@pytest.mark.slow
@pytest.mark.parametrize("letter", "ABCD")
def test_agrees_on_every_class_but_those_listed(letter: str) -> None:
    said = {
        each.id: _judge_both(each, exhibit)
        for each in CLASSES
        if each.id.startswith(letter) and isinstance((exhibit := each.make()).log, list)
    }
    differs = {each: verdicts for each, verdicts in said.items() if verdicts[0] != verdicts[1]}
    assert set(differs) == {each for each in MISSED if each.startswith(letter)}
    assert {ours for ours, _ in differs.values()} <= {"violations"}
    assert said


def _judge_both(tampering: Tampering, exhibit: Exhibit) -> tuple[str, str]:
    assert isinstance(exhibit.log, list), tampering.id  # classes that are no records have no verdict here
    pins = find_pins(exhibit)
    ours: Verdict = verify_log(exhibit.log, pins, BOUNDS).verdict
    return ours.value, SECOND.Audit(exhibit.log, _convert(pins), BOUNDS.now).verdict


def test_all_classes_can_be_written_as_records() -> None:
    listed = {each.id for each in CLASSES}
    assert set(MISSED) <= listed
    assert len(MISSED) == sum(len(classes) for classes in NOT_HERE.values())


def test_imports_nothing_of_ours_and_is_one_short_file() -> None:
    source = FILE.read_text()
    assert len(source.splitlines()) < 600
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            modules.add(node.module or "")
    roots = {module.partition(".")[0] for module in modules}
    assert roots - set(sys.stdlib_module_names) == {"cryptography"}
    assert {module for module in modules if module.startswith("cryptography")} == {
        "cryptography.exceptions",
        "cryptography.hazmat.primitives.asymmetric.ed25519",
    }
    assert not {"importlib", "runpy", "ctypes", "subprocess"} & roots


def test_refuses_keywords_of_schemas_that_it_does_not_know() -> None:
    assert SECOND.check_schema({"type": "integer", "minimum": 1}, 1)
    with pytest.raises(KeyError):
        SECOND.check_schema({"type": "integer", "multipleOf": 2}, 2)


@pytest.mark.parametrize(
    ("change", "word", "code"),
    [
        ("nothing", "clean", 0),
        ("a bit", "violations", 1),
        ("no pins", "cannot_tell", 2),
        ("empty", "cannot_tell", 2),
        ("crlf", "cannot_tell", 2),
    ],
)
def test_prints_a_verdict_and_exits_with_it(tmp_path: Path, change: str, word: str, code: int) -> None:
    written = write([step for step in tell_whole() if step.at < DAYS])  # nothing that is still to come
    log = b"".join(raw + b"\n" for raw in written.records)
    if change == "a bit":
        log = log.replace(b'"stage":"second_factor"', b'"stage":"login_key"', 1)
    log = {"empty": b"", "crlf": log.replace(b"\n", b"\r\n")}.get(change, log)
    (tmp_path / "log.jsonl").write_bytes(log)
    pins = {} if change == "no pins" else _convert(vouch(written))
    if change == "empty":
        pins = {}
    (tmp_path / "pins.json").write_text(json.dumps(pins))
    command = [sys.executable, str(FILE), str(tmp_path / "log.jsonl"), str(tmp_path / "pins.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout.splitlines()[-1], done.returncode) == (word, code), done.stderr
    assert not done.stderr
