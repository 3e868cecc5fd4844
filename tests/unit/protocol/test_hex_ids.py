"""Digests, signatures, keys and key ids are exactly so many bytes in lower-case hex."""

import re

import pytest

from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import Digest, KeyId, PublicKey, SignatureHex

KINDS = [Digest, KeyId, PublicKey, SignatureHex]
GOOD = "9a"


def spell(kind: type[Digest]) -> str:
    return GOOD * (kind.CHARS // 2)


OTHERWISE = {
    "in capitals": str.upper,
    "one capital": lambda text: text[:-1] + "A",
    "a character less": lambda text: text[:-1],
    "a byte more": lambda text: text + GOOD,
    "blanks between bytes": lambda text: text[:-2] + "  ",
    "a blank in the middle": lambda text: text[:2] + " " + text[3:],
    "a line feed behind it": lambda text: text + "\n",
    "digits of another script": lambda text: text.replace("9", "\u0669"),
    "no hex": lambda text: text.replace("a", "g"),
    "nothing": lambda text: text[:0],
}


@pytest.mark.parametrize("kind", KINDS)
def test_takes_what_its_pattern_takes(kind: type[Digest]) -> None:
    assert re.fullmatch(kind.PATTERN, spell(kind))
    assert kind(spell(kind)) == spell(kind)
    assert type(kind(spell(kind))) is kind


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", OTHERWISE)
def test_refuses_every_other_spelling(kind: type[Digest], how: str) -> None:
    other = OTHERWISE[how](spell(kind))
    assert not re.fullmatch(kind.PATTERN, other, re.ASCII) or other.endswith("\n")
    with pytest.raises(MalformedError, match=kind.__name__):
        kind(other)
