"""The second decoder, written from the spec alone, agrees with every vector; a careless one does not."""

import json
from pathlib import Path

import pytest
from vectors import decoder, notation

NOUNS = {  # conventions.md §9: one file of vectors each
    "identifier": notation.parse_identifier,
    "canonical_json": notation.canonicalise,
    "cbor": notation.parse_cbor,
    "statement": notation.verify_statement,
    "phrase": decoder.parse_phrase,
    "user_key": decoder.derive_user_key,
    "wrap": decoder.open_wrap,
    "login_key": decoder.derive_login_key,
    "device_key": decoder.derive_device,
    "padme": decoder.pad,
    "envelope_size": decoder.derive_inner_size,
    "envelope": decoder.open_envelope,
}
VECTORS = {
    file.stem: json.loads(file.read_text())["vectors"]
    for file in sorted(Path(__file__).parents[2].glob("spec/vectors/*.json"))
}


def decode(noun, given):
    """Answer a vector's input: result, stage, output. What has no code of its own is malformed."""
    try:
        with notation.refusing("malformed"):
            return "ok", None, NOUNS[noun](**given)
    except notation.Refused as refused:
        return refused.args


def test_every_noun_is_decoded():
    assert set(VECTORS) == set(NOUNS)


@pytest.mark.parametrize(
    ("noun", "vector"),
    [
        pytest.param(noun, vector, id=f"{noun}: {vector['name']}")
        for noun in VECTORS
        for vector in VECTORS[noun]
    ],
)
def test_the_second_decoder_agrees(noun, vector):
    assert decode(noun, vector["input"]) == (vector["result"], vector["stage"], vector["output"])
