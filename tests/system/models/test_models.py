"""The model of authority (spec/models) holds, and would not if a rule were missing."""

import os
import re
import shutil
import subprocess
import sys
from operator import attrgetter

import pytest

from solekey_protocol import lineage
from tests.support.repository import ROOT

MODELS = ROOT / "spec" / "models"
README = (MODELS / "README.md").read_text(encoding="utf-8")
RULES = (MODELS / "rules_new.pml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def checker():
    """`check.py`, as a module."""
    sys.path.insert(0, str(MODELS))
    try:
        import check

        yield check
    finally:
        sys.path.remove(str(MODELS))


@pytest.mark.slow
@pytest.mark.timeout(900)  # some fifty models; the limit ends a run that hangs
def test_the_new_rules_hold_and_each_mutant_is_refuted():
    if shutil.which("spin") is None:
        if os.environ.get("SOLEKEY_REQUIRE_REAL") == "1":
            pytest.fail("Spin is not installed: apt-get install spin gcc libc6-dev")
        pytest.skip("Spin is not installed: apt-get install spin gcc libc6-dev")
    run = subprocess.run([sys.executable, MODELS / "check.py"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]


def test_every_property_has_a_mutant(checker):
    """Positive control of the model: a property that nothing can break says nothing."""
    mutants = {model.property for model in checker.MODELS if model.name.startswith("without/")}
    assert mutants == {"OPENABLE", "REVOKED", "NEEDED_WRAPS", "LOCKED_OUT", "APART", "GOES_ON"}


def test_every_mutant_takes_away_a_rule_that_is_there(checker):
    defined = set(re.findall(r"\bWITHOUT_\w+", RULES))
    used = {
        each
        for model in checker.MODELS
        for each in model.definitions.split()
        if each.startswith("WITHOUT_") and model.source == "authority.pml"
    }
    assert used <= defined
    assert defined - used == {"WITHOUT_OWN_EPOCH"}, "README.md says why this one has no mutant"


def test_every_rule_of_the_table_is_in_the_model():
    for rule, macro in re.findall(r"^\| R\d+ \| (.*?) \| `(\w+?)…?`", README, re.MULTILINE):
        assert f"#define {macro}" in RULES, rule


def test_every_rule_of_the_table_is_in_the_code():
    named = re.findall(r"`lineage\.([\w.]+)`", README)
    assert len(named) > 10
    for name in named:
        assert callable(attrgetter(name)(lineage)), name


def test_a_counter_example_is_told_in_the_order_of_arrival(checker):
    replay = (
        "      A rotation:           rotation_verified 1  (behind: devices 0, vault 0)\n"
        "          B vault:    key_wrapped: epoch 1 under K1, opens: 1  (behind: devices 2, rotation 0)\n"
        "spin: trail ends after 53 steps\n"
    )
    assert list(checker.tell(replay)) == [
        "   1  A  in rotation: rotation_verified 1",
        "   2  B  in vault: key_wrapped: epoch 1 under K1   [claims devices as it was 2 statement(s) before]",
    ]


@pytest.mark.parametrize(
    ("source", "properties"),
    [
        ("queue", {"ONCE", "LOST", "UNSEEN", "SELF", "FOLLOWS", "OPENS"}),
        ("joins", {"OPENS", "ONE", "ONCE", "LOST", "SEALED", "WORDS", "UNASKED", "READ", "GOES_ON"}),
        ("history", {"LIVE", "KEPT", "ELSEWHERE", "NUMBERS", "UNSEEN", "TOLD", "LAST"}),
    ],
)
def test_every_property_of_a_model_has_a_mutant_and_every_mutant_takes_something_away(
    checker, source, properties
):
    mutants = [model for model in checker.MODELS if model.name.startswith(f"{source}/without-")]
    assert {model.property for model in mutants} == properties
    taken = {each for model in mutants for each in model.definitions.split() if each.startswith("WITHOUT_")}
    assert taken == set(re.findall(r"\bWITHOUT_\w+", (MODELS / f"{source}.pml").read_text(encoding="utf-8")))


def test_a_counter_example_of_the_queue_is_told_step_by_step(checker):
    replay = "          QUEUE: A signs entry 1 at 0\n  QUEUE: B edits the item, commit 1\nspin: trail ends\n"
    assert list(checker.tell(replay)) == ["   1  A signs entry 1 at 0", "   2  B edits the item, commit 1"]
