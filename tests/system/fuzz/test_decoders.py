"""Two implementations say the same of every mutant of every vector: result, stage and output.

One is the product; the other (`vectors/decoder.py` and `notation.py`) was written from the text of spec/
alone. Where they differ, one is wrong or the text is unclear. The seeds are spec/vectors/, valid and refused
ones alike.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final
from unittest import mock

import pytest
from hypothesis import strategies as st

from solekey_protocol.events import Signer
from tests.support.repository import ROOT
from tests.support.vectors import decoder, notation, records
from tests.support.vectors.reference import Said, run_vector
from tests.system.fuzz.mutations import Mutate, mutate_bytes, mutate_json, mutate_text
from tests.system.fuzz.target import LONG_EXAMPLES, QUICK_EXAMPLES, Target, fuzz

VECTORS: Final = ROOT / "spec" / "vectors"
_MAX_CHARS: Final = 60_000
"""Longer inputs meet limits that one implementation has and the other, which is for vectors, has not."""

Given = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mutated:
    """Which member of a noun's input is mutated, how it is read and written, and who decodes it."""

    noun: str
    decode: Callable[..., Any]
    member: str
    mutate: Mutate
    read: Callable[[Any], Any] = bytes.fromhex
    write: Callable[[Any], Any] = bytes.hex
    cost: int = 1


def _same(value: Any) -> Any:
    return value


def _without_surrogates(text: str) -> str:
    """A record is bytes; the vectors write it as their text."""
    return text.encode("utf-8", "replace").decode()


MUTATED: Final = (
    Mutated("envelope", decoder.open_envelope, "envelope", mutate_bytes, cost=2),
    Mutated("wrap", decoder.open_wrap, "wrap", mutate_bytes),
    Mutated("statement", notation.verify_statement, "document", mutate_json, cost=2),
    Mutated("phrase", decoder.parse_phrase, "phrase", mutate_text, _same, _same),
    Mutated("cbor", notation.parse_cbor, "data", mutate_bytes),
    Mutated("canonical_json", notation.canonicalise, "text", mutate_json),
    Mutated("change_list", decoder.read_change_list, "data", mutate_bytes),
    Mutated("page_list", decoder.read_page_list, "data", mutate_bytes),
    Mutated("event", records.parse_record, "record", mutate_text, _same, _without_surrogates),
    Mutated("identifier", notation.parse_identifier, "text", mutate_text, _same, _same),
)
each = pytest.mark.parametrize("mutated", MUTATED, ids=lambda mutated: mutated.noun)


def load_inputs(noun: str) -> list[Given]:
    return [vector["input"] for vector in json.loads((VECTORS / f"{noun}.json").read_text())["vectors"]]


def decode(mutated: Mutated, given: Given) -> Said:
    """Answer as a vector does; what the second decoder gives no code of its own is malformed."""
    try:
        with notation.refusing("malformed"):
            return "ok", None, mutated.decode(**given)
    except notation.Refused as refused:
        result, stage, output = refused.args
        return result, stage, output


def compare(mutated: Mutated, given: Given) -> None:
    assert _cut_word(run_vector(mutated.noun, given)) == _cut_word(decode(mutated, given))


def _cut_word(said: Said) -> Said:
    """Our error shows the beginning of an unknown word."""
    result, stage, output = said
    return result, stage, output and {k: v[:40] if k == "word" else v for k, v in output.items()}


def _with_keys(given: Given) -> Given:
    """Give a statement a key for each of its signers: who they are is part of what was mutated."""
    if "keys" not in given:
        return given
    try:
        signers = set(json.loads(bytes.fromhex(given["document"]))["signatures"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return given
    known = given["keys"]
    return {**given, "keys": {name: known.get(name, "aa" * 32) for name in signers & set(Signer)}}


def make_target(mutated: Mutated) -> Target:
    inputs = [given for given in load_inputs(mutated.noun) if len(given[mutated.member]) < _MAX_CHARS]

    def mutate(draw: st.DrawFn, given: Given, other: Given) -> Given:
        pieces = (mutated.read(given[mutated.member]), mutated.read(other[mutated.member]))
        changed = mutated.write(mutated.mutate(draw, *pieces))
        if len(changed) >= _MAX_CHARS:
            return given
        return _with_keys({**other, **given, mutated.member: changed})

    return Target(
        mutated.noun,
        st.integers(0, len(inputs) - 1).map(lambda index: inputs[index]),
        lambda given: compare(mutated, given),
        (),
        mutate=mutate,
        cost=mutated.cost,
    )


def test_every_noun_with_a_parser_is_compared() -> None:
    derived = {
        "device_code",
        "device_key",
        "envelope_size",
        "login_key",
        "item_name",
        "padme",
        "user_key",
    }  # nothing is parsed from bytes
    histories = {"auth_stream", "chain", "devices_stream", "lineage", "rotation_stream", "vault_stream"}
    nouns = {
        path.stem for path in VECTORS.glob("*.json")
    }  # a mutant of a signed history breaks its signature
    assert nouns == {each.noun for each in MUTATED} | derived | histories
    assert all(len(load_inputs(mutated.noun)) >= 10 for mutated in MUTATED)


@each
def test_they_agree_on_mutants(mutated: Mutated) -> None:
    fuzz(make_target(mutated), QUICK_EXAMPLES)


@pytest.mark.slow
@each
def test_they_agree_on_many_mutants(mutated: Mutated) -> None:
    fuzz(make_target(mutated), LONG_EXAMPLES)


@pytest.mark.parametrize("noun", ["envelope", "wrap"])
def test_a_decoder_without_the_commitment_is_noticed(noun: str) -> None:
    """Control: one implementation leaves a check out."""
    target = make_target(next(mutated for mutated in MUTATED if mutated.noun == noun))
    with (
        mock.patch.object(decoder, "hmac", SimpleNamespace(compare_digest=lambda *_: True)),
        pytest.raises(AssertionError),
    ):
        fuzz(target, LONG_EXAMPLES, shrink=False)
