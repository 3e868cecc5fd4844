"""What keeps a user key outside of the profile: kits on paper, shares, key files, and the names of places."""

import hashlib
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest import mock

from hypothesis import strategies as st

from solekey.crypto import UserKey, login_key
from solekey.crypto.phrase import list_words
from solekey.errors import (
    ForeignUserKeyError,
    KeyFileError,
    KitMismatchError,
    KitUnreadableError,
    ProviderError,
    ShareError,
    SpecError,
    TamperedKeyFileError,
    UnsupportedFormatError,
    WrongPassphraseError,
)
from solekey.providers.device_key_store import parse_device_spec
from solekey.providers.key_file import open_key_file, parse_key_file, seal_key_file
from solekey.providers.pkcs11_uri import parse_pkcs11_uri
from solekey.providers.spec import make_absolute, parse_spec
from solekey.recovery import RecoveryKit, parse_share, read_kit, split_user_key
from solekey.recovery.kit_page import draw_kit
from solekey.recovery.paper import Paper
from solekey.recovery.record import (
    ShareRecord,
    encode_kit_record,
    encode_share_record,
    find_words,
    parse_kit_record,
    parse_share_record,
)
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId, KeyId, Timestamp
from tests.system.fuzz.crypto_targets import derive_commitment
from tests.system.fuzz.mutations import mutate_bytes, mutate_json, mutate_text
from tests.system.fuzz.strategies import heads, raw_ids, timestamps
from tests.system.fuzz.target import Target, agree

_ACCOUNT: Final = AccountId.from_raw(bytes(range(16)))
_KEY: Final = UserKey(bytes(range(100, 132)))
_PASSPHRASE: Final = "correct horse battery staple"
_SHARES: Final = [share.to_words() for share in split_user_key(_KEY, threshold=2, shares=3, random=bytes)]

_kits = st.builds(
    RecoveryKit,
    account=raw_ids(AccountId),
    key_id=st.just(_KEY.derive_key_id(_ACCOUNT)),
    server=st.just("https://solekey.example:8443"),
    username=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    created=timestamps,
    heads=st.dictionaries(st.sampled_from(list(Stream)), heads.filter(lambda head: head.seq), max_size=2),
    log_head=st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
)
_share_records = st.builds(
    ShareRecord,
    account=raw_ids(AccountId),
    key_id=st.just(KeyId("01" * 16)),
    created=timestamps,
    set=st.integers(0, 2**15 - 1),
    index=st.integers(1, 16),
    threshold=st.integers(1, 16),
    shares=st.integers(1, 16),
)


def _solid(text: str) -> str:
    return "".join(text.split())


def _check_kit(text: str) -> None:
    assert encode_kit_record(parse_kit_record(text)) in _solid(text)


def _check_share_record(text: str) -> None:
    assert encode_share_record(parse_share_record(text)) in _solid(text)


def _mutate_record(draw: st.DrawFn, text: str, other: str) -> str:
    """Mutate the JSON after the mark, or the text."""
    mark, brace, members = text.partition("{")
    if not brace or draw(st.booleans()):
        return mutate_text(draw, text, other)
    changed = mutate_json(
        draw, (brace + members).encode(errors="replace"), b"{" + other.partition("{")[2].encode()
    )
    return mark + changed.decode(errors="replace")


def _check_words(text: str) -> None:
    words = find_words(text, 24, list_words())
    if words is None:
        raise KitUnreadableError("no words")
    assert len(words.split()) == 24
    assert set(words.split()) <= list_words()


def _check_kit_file(raw: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "kit"
        path.write_bytes(raw)
        found = read_kit(path)
    assert found.user_key in (None, _KEY)
    assert found.kit.key_id == _KEY.derive_key_id(found.kit.account) or found.user_key is None


def _check_share(text: str) -> None:
    assert parse_share(text).to_words().split() == re.findall(
        "[a-z]+", text.lower()
    )  # numbers, marks, BOMs go


class _CheapArgon2id:
    """Stands in for Argon2id, which would cost up to 1 GiB and seconds a mutant; all its inputs count."""

    def __init__(self, **parameters: Any) -> None:
        self._parameters = repr(sorted(parameters.items())).encode()

    def derive(self, password: bytes) -> bytes:
        return hashlib.sha256(self._parameters + password).digest()


def _expect_key_file_error(raw: bytes) -> type[Exception]:
    """What a key file that parses must be refused with, if it is: key-providers.md §2.3."""
    header = parse_key_file(raw)
    if header.account != _ACCOUNT:
        return ForeignUserKeyError
    kdf = {name: getattr(header.kdf, name) for name in ("salt", "iterations", "lanes")}
    stretched = _CheapArgon2id(length=32, memory_cost=header.kdf.memory_kib, **kdf)
    secret = stretched.derive(_PASSPHRASE.encode())
    expected = derive_commitment(secret, header.kdf.salt, b"solekey/v1/key-file", raw[:66])
    return TamperedKeyFileError if expected == raw[66:98] else WrongPassphraseError


def _check_key_file(raw: bytes) -> None:
    header = parse_key_file(raw)
    with mock.patch.object(login_key, "Argon2id", _CheapArgon2id):
        try:
            user_key = open_key_file(raw, _ACCOUNT, _PASSPHRASE)
        except ProviderError as error:
            agree(type(error), {_expect_key_file_error(raw)})
            raise
        assert header.key_id == user_key.derive_key_id(_ACCOUNT)
        salt = header.kdf.salt
        assert seal_key_file(user_key, _ACCOUNT, _PASSPHRASE, lambda size: salt[:size]) == raw


def _seal_key_file(secret: bytes, salt: bytes) -> bytes:
    with mock.patch.object(login_key, "Argon2id", _CheapArgon2id):
        return seal_key_file(UserKey(secret), _ACCOUNT, _PASSPHRASE, lambda size: salt[:size])


def _check_spec(text: str) -> None:
    spec = parse_spec(text)
    assert f"{spec.scheme}:{spec.rest}" == text
    assert parse_spec(make_absolute(text)).scheme == spec.scheme


def _check_device_spec(text: str) -> None:
    assert parse_device_spec(text).scheme in ("file", "keyring", "pkcs11")


def _check_pkcs11(text: str) -> None:
    uri = parse_pkcs11_uri(text)
    assert uri.name
    assert uri.module_path is None or uri.module_path.is_absolute()
    assert uri.pin_source is None or uri.pin_source.is_absolute()
    assert "pin-value" not in text


_kit = RecoveryKit(
    account=_ACCOUNT,
    key_id=_KEY.derive_key_id(_ACCOUNT),
    server="https://solekey.example",
    username="ada",
    created=Timestamp("2026-11-23T21:36:07.123Z"),
    heads={},
)
_numbered = "\n".join(f"{number} {word}" for number, word in enumerate(_KEY.to_phrase().split(), start=1))
_salts = st.binary(min_size=32, max_size=32)
_specs = ["prompt:", "file:/media/stick/solekey.key", "keyring:work", "pkcs11:token=Solekey;object=key"]
_URI = "pkcs11:token=My%20Token;object=solekey;slot-id=3?module-path=/lib/softhsm.so&pin-source=file:/run/pin"

TARGETS = (
    Target(
        "kit record",
        _kits.map(encode_kit_record),
        _check_kit,
        (KitUnreadableError,),
        mutate=_mutate_record,
        covers=("recovery.record.parse_kit_record",),
    ),
    Target(
        "share record",
        _share_records.map(encode_share_record),
        _check_share_record,
        (KitUnreadableError,),
        mutate=_mutate_record,
        covers=("recovery.record.parse_share_record",),
    ),
    Target(
        "words on a page",
        st.just(_numbered),
        _check_words,
        (KitUnreadableError,),
        mutate=mutate_text,
        covers=("recovery.record.find_words",),
    ),
    Target(
        "kit as text",
        st.just(f"{encode_kit_record(_kit)}\n{_KEY.to_phrase()}\n".encode()),
        _check_kit_file,
        (KitUnreadableError, KitMismatchError),
        mutate=mutate_bytes,
        covers=("recovery.documents.read_kit",),
    ),
    Target(
        "kit as PDF",
        st.just(draw_kit(_kit, _KEY, Paper.A4)),
        _check_kit_file,
        (KitUnreadableError, KitMismatchError),
        mutate=mutate_bytes,
        cost=10,
    ),
    Target(
        "share",
        st.sampled_from(_SHARES),
        _check_share,
        (ShareError,),
        mutate=mutate_text,
        covers=("recovery.shares.parse_share",),
    ),
    Target(
        "key file",
        st.builds(_seal_key_file, _salts, _salts),
        _check_key_file,
        (KeyFileError, ProviderError, UnsupportedFormatError),
        covers=("providers.key_file.parse_key_file", "providers.key_file.open_key_file"),
    ),
    Target(
        "provider spec",
        st.sampled_from(_specs),
        _check_spec,
        (SpecError,),
        mutate=mutate_text,
        covers=("providers.spec.parse_spec",),
    ),
    Target(
        "device key spec",
        st.sampled_from(["file:", "keyring:work", _URI]),
        _check_device_spec,
        (SpecError,),
        mutate=mutate_text,
        covers=("providers.device_key_store.parse_device_spec",),
    ),
    Target(
        "PKCS#11 URI",
        st.just(_URI),
        _check_pkcs11,
        (SpecError,),
        mutate=mutate_text,
        covers=("providers.pkcs11_uri.parse_pkcs11_uri",),
    ),
)
