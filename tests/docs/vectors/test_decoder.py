"""The second decoder, written from the spec alone, agrees with every vector; a careless one does not."""

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

from tests.support.repository import ROOT
from tests.support.vectors import argon2, decoder, folds, notation, records, ties
from tests.support.vectors.files import read_file

DECODER = Path(decoder.__file__).parent
NOUNS = {  # conventions.md §9: one file of vectors each
    "identifier": "notation.parse_identifier",
    "canonical_json": "notation.canonicalise",
    "cbor": "notation.parse_cbor",
    "statement": "notation.verify_statement",
    "phrase": "decoder.parse_phrase",
    "user_key": "decoder.derive_user_key",
    "wrap": "decoder.open_wrap",
    "login_key": "decoder.derive_login_key",
    "device_key": "decoder.derive_device",
    "item_name": "decoder.fold_name",
    "padme": "decoder.pad",
    "envelope_size": "decoder.derive_inner_size",
    "envelope": "decoder.open_envelope",
    "device_code": "decoder.derive_device_code",
    "change_list": "decoder.read_change_list",
    "page_list": "decoder.read_page_list",
    "event": "records.parse_record",
    "chain": "ties.follow_place",
    **dict.fromkeys(
        ("auth_stream", "devices_stream", "vault_stream", "rotation_stream"), "ties.follow_stream"
    ),
    "lineage": "ties.follow_tied",
}
VECTORS = {file.stem: read_file(file)["vectors"] for file in ROOT.glob("spec/vectors/*.json")}
WRITTEN = {"notation": notation, "decoder": decoder, "folds": folds, "records": records, "ties": ties}


def decode(noun, given, modules=WRITTEN):
    """Answer a vector's input: result, stage, output. What has no code of its own is malformed."""
    module, function = NOUNS[noun].split(".")
    try:
        with modules["notation"].refusing("malformed"):
            return "ok", None, getattr(modules[module], function)(**given)
    except modules["notation"].Refused as refused:
        return refused.args


def read_answer(vector):
    return vector["result"], vector["stage"], vector["output"]


def test_every_noun_is_decoded():
    assert set(VECTORS) == set(NOUNS)


@pytest.mark.parametrize("noun", NOUNS)
def test_the_second_decoder_agrees(noun):
    expected = {vector["name"]: read_answer(vector) for vector in VECTORS[noun]}
    assert {vector["name"]: decode(noun, vector["input"]) for vector in VECTORS[noun]} == expected


# ---- positive controls: the vectors notice what a decoder leaves out


def load_decoder(monkeypatch, change):
    """Load both modules anew; `change(name, source)` returns the source or tree to run."""
    modules = {}
    for name in WRITTEN:
        spec = importlib.util.spec_from_file_location(f"tests.support.vectors.{name}", DECODER / f"{name}.py")
        modules[name] = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, modules[name])
        code = compile(change(name, (DECODER / f"{name}.py").read_text()), spec.origin, "exec")
        exec(code, modules[name].__dict__)  # noqa: S102 (our own source, with one check less)
    return modules


def find_disagreement(modules, nouns):
    """Name the first vector that the decoder answers differently; a crash is no answer."""
    for noun in nouns:
        for vector in VECTORS[noun]:
            try:
                answer = decode(noun, vector["input"], modules)
            except Exception as crash:  # noqa: BLE001 (whatever a broken decoder does)
                answer = repr(crash)
            if answer != read_answer(vector):
                return vector["name"]
    return None


CARELESS = {
    "commitment of a wrap": ("wrap", "hmac.compare_digest(block[32:], raw[62:94])", "True"),
    "commitment of an envelope": ("envelope", "hmac.compare_digest(block[32:], header[42:])", "True"),
    "final flag ignored": ("envelope", "AESGCM(item_key).decrypt(", "decrypt_either(AESGCM(item_key), "),
    "associated data of a wrap": ("wrap", "raw[:94] + bound", "raw[:94]"),
    "place in the associated data": (
        "envelope",
        "1 << header[5]) + 16, header + place",
        "1 << header[5]) + 16, header",
    ),
    "metadata in any spelling": (
        "envelope",
        "parse_json(raw, canonical=True)",
        "parse_json(raw, canonical=False)",
    ),
    "signatures": ("statement", "key.verify(bytes.fromhex(signature), signed)", "pass"),
    "members by code points": ("canonical_json", 'encode("utf-16-be")', 'encode("utf-8")'),
    "keys by alphabet": ("cbor", "(len(key), key)", "key"),
    "true as a number": ("login_key", "type(cost) is int", "isinstance(cost, int)"),
    "NFC": ("login_key", '"NFKC"', '"NFC"'),
    "any white space": ("phrase", 're.findall(f"[^{SPACES}]+", phrase)', "phrase.split()"),
    "any capitals": ("phrase", 're.sub("[A-Z]"', 're.sub("."'),
}
EITHER_FLAG = """
def decrypt_either(key, nonce, *chunk):
    try:
        return key.decrypt(nonce, *chunk)
    except Exception:
        return key.decrypt(nonce[:11] + bytes([1 - nonce[11]]), *chunk)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("noun", "careful", "careless"), CARELESS.values(), ids=CARELESS)
def test_a_careless_decoder_disagrees(noun, careful, careless, monkeypatch):
    def change(name, source):
        return source.replace(careful, careless) + EITHER_FLAG

    assert any(careful in (DECODER / f"{name}.py").read_text() for name in WRITTEN)
    assert find_disagreement(load_decoder(monkeypatch, change), [noun])


def find_demands():
    """Find every check of the decoder: its module and line."""
    for name in WRITTEN:
        for node in ast.walk(ast.parse((DECODER / f"{name}.py").read_text())):
            if isinstance(node, ast.Expr) and ast.unparse(node).startswith("demand("):
                yield pytest.param(name, node.lineno, id=f"{name}: {ast.unparse(node)}")


class Forget(ast.NodeTransformer):
    """Take out the statement that starts at this line."""

    def __init__(self, line):
        self.line = line

    def visit_Expr(self, node):
        return ast.copy_location(ast.Pass(), node) if node.lineno == self.line else node


@pytest.mark.slow
@pytest.mark.parametrize(("module", "line"), list(find_demands()))
def test_a_decoder_that_forgets_a_check_disagrees(module, line, monkeypatch):
    def change(name, source):
        return Forget(line).visit(ast.parse(source)) if name == module else source

    def stretch(*given):  # what the server asked for, but not a gibibyte of it
        assert given[-1] <= 1 << 17
        return argon2.stretch(*given)

    nearest = sorted(NOUNS, key=lambda noun: (noun == "login_key", not NOUNS[noun].startswith(module)))
    modules = load_decoder(monkeypatch, change)
    modules["decoder"].stretch = stretch
    assert find_disagreement(modules, nearest)
