"""Reads the public test vectors: NIST and RFC files of PyPI's `cryptography-vectors`, Wycheproof's JSON."""

import json
import re
from pathlib import Path
from typing import Any

import cryptography_vectors

from tests.support.repository import ROOT

_PACKAGE = Path(cryptography_vectors.__file__).parent
_WYCHEPROOF = ROOT.parent / "shared" / "vectors" / "wycheproof"

HAS_WYCHEPROOF = _WYCHEPROOF.is_dir()
NO_WYCHEPROOF = "Wycheproof's files are not here: they stand beside the checkout of developers and CI"


def load_text(path: str) -> str:
    """Load a file of `cryptography-vectors`."""
    return (_PACKAGE / path).read_text()


def load_blocks(path: str) -> list[dict[str, str]]:
    """Load a file of ``name = value`` blocks, each begun by ``count``; ``FAIL`` alone is a member too."""
    blocks: list[dict[str, str]] = []
    for line in load_text(path).splitlines():
        match = re.fullmatch(r"(\w+)\s*= ?(.*)", line.strip())
        name, value = (match[1].lower(), match[2].strip()) if match else (line.strip().lower(), "")
        if name == "count":
            blocks.append({})
        elif blocks and (match or name == "fail"):
            blocks[-1][name] = value
    return blocks


def load_wycheproof(name: str) -> list[dict[str, Any]]:
    """Load the tests of one file, each with the members of its group."""
    groups = json.loads((_WYCHEPROOF / name).read_text())["testGroups"]
    return [group | test for group in groups for test in group["tests"]]


BIP39_256 = (
    ("00" * 32, "abandon " * 23 + "art"),
    (
        "7f" * 32,
        (
            "legal winner thank year wave sausage worth useful legal winner thank year "
            "wave sausage worth useful legal winner thank year wave sausage worth title"
        ),
    ),
    (
        "80" * 32,
        (
            "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd "
            "amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic bless"
        ),
    ),
    ("ff" * 32, "zoo " * 23 + "vote"),
    (
        "00ac97c48106f0aeb8ba061e0250a559b3251dc35854e694780ba51d53a50120",
        (
            "absent gorilla van acoustic humor firm title dolphin bulk barely citizen recall "
            "crane moment aspect appear track phrase actual enforce steel spoon afraid benefit"
        ),
    ),
    (
        "3edc83b60740d77af3afa2fcb82c2f1bc541ee4e2518ddef4996d32453f54a3c",
        (
            "disagree tomato unique attend aspect runway solid violin witness scrap armed daring "
            "favorite warm decade perfect target kid grant play early wide cigar night"
        ),
    ),
    (
        "89bb4bc5555992cdaf3444c5e7ca5a6e9f27efab894f1990bae41be8b2a26ea4",
        (
            "meadow surge vanish primary odor grocery rubber mass shine dinner notable tag "
            "venue water purchase clarify book magic ribbon daughter menu eye ritual orchard"
        ),
    ),
    (
        "911fec0fbd88029f6fa99164896c18d898c9232af18bdcca3e42d53b86493104",
        (
            "much youth advance kitchen lens exile salt cram goose enter alert raise "
            "milk muscle profit cousin system faint mouse price reveal cause series long"
        ),
    ),
)
"""Entropy and words of every 256-bit vector of BIP-39's reference implementation (trezor/python-mnemonic)."""
