"""Every vector of spec/vectors, through the reference implementation. Spec: conventions.md §9."""

import re
import shutil
import subprocess
import sys

import pytest

from solekey.errors import OpenError, SolekeyError
from tests.support.repository import ROOT
from tests.support.vectors.files import read_file
from tests.support.vectors.reference import (
    RUNNERS,
    open_context,
    read_piecewise,
    run_vector,
    seal_again,
    wrap_again,
)

SPEC = ROOT / "spec"
FILES = {path.stem: read_file(path) for path in sorted((SPEC / "vectors").glob("*.json"))}
ENVELOPES = {vector["name"]: vector for vector in FILES["envelope"]["vectors"]}
PAGES = sorted({file["page"] for file in FILES.values()})


def verify(noun, vector):
    """Verify that the reference implementation says what the vector says."""
    result, stage, output = run_vector(noun, vector["input"])
    assert (result, stage) == (vector["result"], vector["stage"])
    assert output == vector["output"]


@pytest.mark.parametrize("noun", FILES)
def test_the_reference_implementation_says_what_each_vector_says(noun):
    vectors = FILES[noun]["vectors"]
    expected = {vector["name"]: (vector["result"], vector["stage"], vector["output"]) for vector in vectors}
    assert len(expected) == len(vectors) > 0
    assert {vector["name"]: run_vector(noun, vector["input"]) for vector in vectors} == expected


def test_each_noun_has_vectors():
    assert FILES.keys() == RUNNERS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("noun", RUNNERS)
def test_a_vector_with_another_expectation_fails(noun):
    """The positive control: the runner notices each of the three parts."""
    vector = FILES[noun]["vectors"][0]
    verify(noun, vector)
    for wrong in ({"result": "wrong"}, {"stage": "wrong"}, {"output": {**vector["output"], "more": ""}}):
        with pytest.raises(AssertionError):
            verify(noun, {**vector, **wrong})


def test_a_refusal_at_another_stage_fails():
    vector = ENVELOPES["commitment: moved to another item"]
    verify("envelope", vector)
    with pytest.raises(AssertionError):
        verify("envelope", {**vector, "stage": "chunk"})


CARELESS = [
    (
        "envelope",
        "commitment: another commitment, sealed with it",
        "hmac.compare_digest",
    ),
    ("wrap", "commitment: another commitment, sealed with it", "hmac.compare_digest"),
    ("envelope", "padding: the last byte of padding", "solekey.crypto.envelope.verify_padding"),
    ("envelope", "padding: an empty final chunk", "solekey.crypto.envelope.parse_envelope_size"),
    ("statement", "signature: a signature by a stranger", "solekey_protocol.statements.verify_signature"),
    ("login_key", "floor: lanes 3", "solekey.crypto.login_key._verify_floor"),
]


@pytest.mark.parametrize(
    ("noun", "name", "check"), CARELESS, ids=[f"{noun}-{name}" for noun, name, _ in CARELESS]
)
def test_an_implementation_without_the_check_fails(noun, name, check, monkeypatch):
    (vector,) = [vector for vector in FILES[noun]["vectors"] if vector["name"] == name]
    verify(noun, vector)
    monkeypatch.setattr(check, lambda *_: True)
    with pytest.raises(AssertionError):
        verify(noun, vector)


# The reader of ranges must come to the same results, and give away nothing of what is cut.


def read_in_pieces(given):
    """Read an envelope piece by piece: result, metadata, content."""
    data_key, context = open_context(given)
    try:
        metadata, content = read_piecewise(bytes.fromhex(given["envelope"]), data_key, context)
    except SolekeyError as error:
        return error.code, None, None
    return "ok", metadata, content.hex()


def test_reading_piece_by_piece_comes_to_the_same_result():
    expected = {
        name: ("ok", vector["output"]["metadata"], vector["output"]["content"])
        if vector["result"] == "ok"
        else (vector["result"], None, None)
        for name, vector in ENVELOPES.items()
    }
    assert {name: read_in_pieces(vector["input"]) for name, vector in ENVELOPES.items()} == expected


CUT = [name for name in ENVELOPES if re.search("gone|cut|twice|appended|header alone|half a tag", name)]


@pytest.mark.parametrize("name", [name for name in CUT if name.startswith("chunk")])
def test_reading_piece_by_piece_releases_no_byte_of_what_is_cut(name):
    given = ENVELOPES[name]["input"]
    data_key, context = open_context(given)
    released = []
    with pytest.raises(OpenError):
        read_piecewise(bytes.fromhex(given["envelope"]), data_key, context, released.append)
    assert b"".join(released) == b""


# What opens can be sealed again.


@pytest.mark.parametrize(("noun", "again"), [("wrap", wrap_again), ("envelope", seal_again)])
def test_what_opens_is_sealed_again_to_the_same_bytes(noun, again):
    opened = [vector for vector in FILES[noun]["vectors"] if vector["result"] == "ok"]
    assert len(opened) >= 5
    for vector in opened:
        assert again(vector["input"], vector["output"]).hex() == vector["input"][noun], vector["name"]


# Each rule of a page has a vector, and each vector a rule.


def list_rules(page):
    """The rules of a page's tables: section number and rule."""
    rules, section, inside = [], "", False
    for line in (SPEC / page).read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"#+ ([0-9.]+?)\.? ", line):
            section = heading[1]
        if not line.startswith("|"):
            inside = False
        elif line.startswith("| rule |"):
            inside = True
        elif inside and (rule := re.match(r"\| `([a-z0-9-]+)` \|", line)):
            rules.append((f"§{section} {rule[1]}", line))
    return rules


def list_refused(page):
    return [
        vector
        for file in FILES.values()
        if file["page"] == page
        for vector in file["vectors"]
        if vector["result"] != "ok"
    ]


@pytest.mark.parametrize("page", PAGES)
def test_each_rule_of_the_page_has_vectors_that_fail_by_it(page):
    rules = dict(list_rules(page))
    assert len(rules) == len(list_rules(page))
    assert {vector["section"] for vector in list_refused(page)} == rules.keys()


@pytest.mark.parametrize("page", PAGES)
def test_each_vector_fails_as_its_rule_says(page):
    rules = dict(list_rules(page))
    for vector in list_refused(page):
        cells = rules[vector["section"]].strip("| ").split(" | ")
        code = cells[-1] if re.fullmatch("`[a-z_]+`", cells[-1]) else "`malformed`"  # as their text says
        assert code == f"`{vector['result']}`", vector["name"]
        if vector["stage"] is not None:
            assert cells[1] == f"`{vector['stage']}`", vector["name"]


def test_each_section_that_a_vector_names_is_a_heading():
    for file in FILES.values():
        page = (SPEC / file["page"]).read_text(encoding="utf-8")
        headings = set(re.findall(r"^#+ ([0-9.]+?)\.? ", page, re.MULTILINE))
        assert {vector["section"].split()[0].removeprefix("§") for vector in file["vectors"]} <= headings


def test_a_rule_without_a_vector_is_found(tmp_path, monkeypatch):
    text = (SPEC / "keys.md").read_text(encoding="utf-8")
    row = "| `tag` | `tag` | a tag that does not verify | `wrap_tampered` |\n"
    (tmp_path / "keys.md").write_text(text.replace(row, row + row.replace("| `tag`", "| `lag`", 1)))
    monkeypatch.setattr(sys.modules[__name__], "SPEC", tmp_path)
    with pytest.raises(AssertionError, match="lag"):
        test_each_rule_of_the_page_has_vectors_that_fail_by_it("keys.md")


# One generator, whose output is checked in.


def run_generator(folder, *arguments):
    return subprocess.run(
        [sys.executable, folder / "generate_vectors.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_files_are_what_the_generator_makes():
    done = run_generator(SPEC, "--check")
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.slow
def test_the_generator_finds_a_changed_a_missing_and_a_superfluous_file(tmp_path):
    for name in ("vector_makers", "vectors"):
        shutil.copytree(SPEC / name, tmp_path / name)
    shutil.copy(SPEC / "generate_vectors.py", tmp_path)
    changed = tmp_path / "vectors" / "padme.json"
    changed.write_text(changed.read_text(encoding="utf-8").replace("272", "273"), encoding="utf-8")
    (tmp_path / "vectors" / "wrap.json").unlink()
    (tmp_path / "vectors" / "more.json").write_text("{}", encoding="utf-8")
    done = run_generator(tmp_path, "--check")
    assert done.returncode == 3
    assert set(done.stdout.splitlines()) == {"padme.json: differs", "wrap.json: differs", "more.json: stale"}
