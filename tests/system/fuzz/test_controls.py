"""Positive controls: take one check out of the code, and the fuzzer says so."""

from types import SimpleNamespace
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from hypothesis import strategies as st

from solekey.crypto import envelope as envelope_module
from solekey.crypto import phrase as phrase_module
from solekey.crypto import stream as stream_module
from solekey.crypto import wrap as wrap_module
from solekey.providers import key_file as key_file_module
from solekey_protocol import encoding as encoding_module
from solekey_protocol import event as event_module
from solekey_protocol import statements as statements_module
from solekey_protocol.errors import MalformedError
from solekey_service.access import compact as compact_module
from tests.system.fuzz import protocol_targets
from tests.system.fuzz.target import LONG_EXAMPLES, Target, fuzz
from tests.system.fuzz.test_fuzz import TARGETS

BY_NAME = {target.name: target for target in TARGETS}
ALWAYS = SimpleNamespace(compare_digest=lambda *_: True)


class WithoutTag:
    """AES-256-GCM that checks no tag."""

    def __init__(self, key: Any) -> None:
        self._key = bytes(key)

    def _run(self, nonce: bytes, data: bytes) -> bytes:
        return Cipher(AES(self._key), CTR(nonce + (2).to_bytes(4, "big"))).encryptor().update(data)

    def encrypt(self, nonce: bytes, data: Any, _associated_data: Any) -> bytes:
        return self._run(nonce, bytes(data)) + bytes(16)

    def decrypt_into(self, nonce: bytes, data: Any, _associated_data: Any, buffer: Any) -> int:
        opened = self._run(nonce, bytes(data)[:-16])
        buffer[: len(opened)] = opened
        return len(opened)

    def decrypt(self, nonce: bytes, data: Any, _associated_data: Any) -> bytes:
        return self._run(nonce, bytes(data)[:-16])


class Trusting:
    """An Ed25519 public key that takes every signature."""

    @classmethod
    def from_public_bytes(cls, _raw: bytes) -> type["Trusting"]:
        return cls

    @staticmethod
    def verify(_signature: bytes, _message: bytes) -> None:
        return None


def without_checksum(words: list[str]) -> bytearray:
    known = phrase_module._word_list().wordlist
    bits = "".join(f"{known.index(word):011b}" for word in words)
    return bytearray(int(bits[:256], 2).to_bytes(32, "big"))


def parse_any_cbor(data: bytes, *, max_bytes: int, max_values: int = 0) -> Any:
    try:
        return cbor2.loads(data)
    except (cbor2.CBORError, ValueError) as error:
        raise MalformedError("no CBOR") from error


_UNTIL_MISSED = 20 * LONG_EXAMPLES
"""The first miss ends it. What is drawn moves with the code; some checks are missed by 1 mutant in 100."""

TAKEN_OUT = [
    ("envelope in memory", stream_module, "AESGCM", WithoutTag),
    ("envelope in memory", stream_module, "hmac", ALWAYS),
    ("authentic inner plaintext", envelope_module, "verify_padding", lambda _padding: None),
    ("wrap", wrap_module, "AESGCM", WithoutTag),
    ("wrap", wrap_module, "hmac", ALWAYS),
    ("key file", key_file_module, "AESGCM", WithoutTag),
    ("key file", key_file_module, "hmac", ALWAYS),
    ("statement", statements_module, "_load_key", Trusting.from_public_bytes),  # which keeps keys
    ("event record", event_module, "parse_json", encoding_module.parse_lenient_json),
    ("CBOR", protocol_targets, "parse_cbor", parse_any_cbor),
    ("compact JWS", compact_module.Compact, "verify", lambda compact, _key: compact.claims),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "module", "check", "careless"),
    TAKEN_OUT,
    ids=[f"{name} without {check}" for name, _, check, _ in TAKEN_OUT],
)
def test_a_check_that_is_taken_out_is_missed(
    name: str, module: Any, check: str, careless: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, check, careless)
    with pytest.raises(Exception) as caught:  # one, or several in a group
        fuzz(BY_NAME[name], _UNTIL_MISSED, shrink=False)
    told = repr(caught.value) + repr(getattr(caught.value, "exceptions", ()))
    nameless = (
        "ValueError('subsection not found')"  # bytes that are not canonical have no statement in their place
    )
    assert "AssertionError" in told or (name == "event record" and nameless in told)


def test_a_phrase_without_its_checksum_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    trusting = SimpleNamespace(
        to_entropy=without_checksum,
        to_mnemonic=phrase_module._word_list().to_mnemonic,
        wordlist=phrase_module._word_list().wordlist,
    )
    monkeypatch.setattr(phrase_module, "_word_list", lambda: trusting)
    with pytest.raises(AssertionError):
        fuzz(BY_NAME["phrase"], LONG_EXAMPLES, shrink=False)


@pytest.mark.parametrize("careless", [IndexError, RecursionError, OverflowError, UnicodeError])
def test_another_exception_is_a_finding(careless: type[Exception]) -> None:
    def parse(data: bytes) -> None:
        if data[:2] != b"ok":
            raise careless(data) if data.startswith(b"o") else MalformedError("no")

    target = Target("toy", st.just(b"ok"), parse, (MalformedError,))
    with pytest.raises(careless):
        fuzz(target, LONG_EXAMPLES, shrink=False)


@pytest.mark.slow
def test_the_same_mutants_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOLEKEY_FUZZ_EXAMPLES", raising=False)
    runs: list[list[bytes]] = [[], []]
    for run in runs:
        fuzz(Target("seen", st.just(b"valid input"), run.append, ()), LONG_EXAMPLES)
    assert runs[0] == runs[1]
    assert len(set(runs[0])) > LONG_EXAMPLES // 2
