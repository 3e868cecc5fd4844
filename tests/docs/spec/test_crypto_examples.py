"""The examples of the spec pages are what the code computes."""

import re

import pytest

from tests.docs.spec.crypto_examples import compute_envelope_examples, compute_keys_examples
from tests.support.repository import ROOT

SPEC = ROOT / "spec"


@pytest.mark.parametrize(
    ("page", "compute"), [("keys.md", compute_keys_examples), ("envelope.md", compute_envelope_examples)]
)
def test_each_example_line_is_recomputed(page, compute):
    block = re.search(r"```example\n(.*?)```", (SPEC / page).read_text(), re.DOTALL)
    assert block
    written = dict(line.split(": ", 1) for line in block[1].splitlines())
    assert written == compute()


def test_each_label_stands_in_the_spec():
    from solekey.crypto.hkdf import Label

    page = (SPEC / "keys.md").read_text()
    table = set(re.findall(r"^\| `(solekey/v1/[a-z-]+)`", page, re.MULTILINE))
    assert table == {label.value.decode() for label in Label}
    assert len(table) == len(Label)
