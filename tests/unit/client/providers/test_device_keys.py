"""Where a device key is kept: it signs the same, wherever it lies, and on a token it cannot be taken out."""

import ast
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType, ObjectClass

import solekey
from solekey import errors
from solekey.files.private_folder import PrivateFolder
from solekey.providers import QuestionKind, close_tokens
from solekey.providers.device_key_store import DeviceKeyStore
from solekey_protocol.ids import PublicKey, derive_device_id
from solekey_protocol.statements import verify_signature
from tests.support.client.places import Answers
from tests.support.engines.softhsm import PIN


@dataclass
class Place:
    store: DeviceKeyStore
    person: Answers
    lose: Any
    """Take the key away."""


@pytest.fixture
def folder(tmp_path: Path) -> PrivateFolder:
    made = PrivateFolder(tmp_path / "profile")
    made.make()
    return made


@pytest.fixture(params=["file", "keyring", "pkcs11"])
def place(request: pytest.FixtureRequest, folder: PrivateFolder, person: Answers) -> Place:
    if request.param == "file":
        return Place(DeviceKeyStore("file:", folder, person), person, lambda: folder.delete("device.key"))
    if request.param == "keyring":
        memory = request.getfixturevalue("memory_keyring")
        return Place(DeviceKeyStore("keyring:tests", folder, person), person, memory.entries.clear)
    token: Any = request.getfixturevalue("token")

    def lose() -> None:
        with token.open() as session:
            for found in list(session.get_objects({})):
                found.destroy()

    return Place(DeviceKeyStore(token.spec("device"), folder, person), person, lose)


def make(store: DeviceKeyStore) -> Any:
    key = store.make(os.urandom)
    store.keep(key)
    return key


def test_the_key_signs_and_is_found_again(place):
    made = make(place.store)
    again = place.store.open(made.public_key)
    for key in (made, again):
        verify_signature(made.public_key, b"statement", key.sign(b"statement"))
    assert again.public_key == made.public_key
    assert again.device_id == derive_device_id(made.public_key)
    assert again.thumbprint == made.thumbprint


def test_two_devices_have_two_keys(place, tmp_path):
    first = make(place.store)
    folder = PrivateFolder(tmp_path / "second")
    folder.make()
    second = DeviceKeyStore(place.store.spec, folder, place.person)
    key = make(second)
    assert key.public_key != first.public_key
    verify_signature(key.public_key, b"x", second.open(key.public_key).sign(b"x"))
    verify_signature(first.public_key, b"x", place.store.open(first.public_key).sign(b"x"))


def test_a_lost_key_says_so(place):
    public_key = place.store.make(os.urandom).public_key
    place.lose()
    with pytest.raises(errors.DeviceKeyMissingError):
        place.store.open(public_key).sign(b"x")


def test_nothing_of_it_is_printed_or_pickled(place):
    import pickle

    key = place.store.make(os.urandom)
    assert repr(key).endswith("(<redacted>)")
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_only_a_file_leaves_a_seed_in_the_profile(place, folder):
    key = place.store.make(os.urandom)
    assert not list(folder.path.iterdir())  # nothing is kept before the login succeeded
    place.store.keep(key)
    kept = [path.name for path in folder.path.iterdir()]
    assert kept == (["device.key"] if place.store.spec == "file:" else [])


def test_a_keyring_entry_of_another_device_is_refused(folder, memory_keyring, person):
    store = DeviceKeyStore("keyring:", folder, person)
    first, second = make(store), make(store)
    entries = memory_keyring.entries
    entries["solekey device", first.device_id] = entries["solekey device", second.device_id]
    with pytest.raises(errors.KeyringEntryError):
        store.open(first.public_key)
    entries["solekey device", first.device_id] = "nothing of ours"
    with pytest.raises(errors.KeyringEntryError):
        store.open(first.public_key)


class TestOnAToken:
    @pytest.fixture
    def store(self, token, folder, person) -> DeviceKeyStore:
        return DeviceKeyStore(token.spec("device"), folder, person)

    def find_private(self, session):
        (found,) = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
        return found

    def test_it_is_what_the_token_says_it_is(self, store, token):
        store.make(os.urandom)
        with token.open() as session:
            key = self.find_private(session)
            assert (key.key_type, key.label) == (KeyType.EC_EDWARDS, "device")
            for attribute in (
                "SENSITIVE",
                "ALWAYS_SENSITIVE",
                "NEVER_EXTRACTABLE",
                "LOCAL",
                "PRIVATE",
                "SIGN",
            ):
                assert key[Attribute[attribute]] is True, attribute
            for attribute in ("EXTRACTABLE", "DECRYPT", "UNWRAP", "DERIVE"):
                assert key[Attribute[attribute]] is False, attribute

    def test_it_cannot_be_taken_out(self, store, token):
        store.make(os.urandom)
        with token.open() as session:
            assert self.take_out(session, self.find_private(session)) == [
                pkcs11.AttributeSensitive,
                pkcs11.KeyUnextractable,
            ]

    def test_a_key_that_may_leave_does_leave_by_the_same_means(self, token):
        """Positive control: the attempts work where the token does not forbid them."""
        with token.open() as session:
            curve = session.create_domain_parameters(
                KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: bytes.fromhex("06032b6570")}, local=True
            )
            _, private = curve.generate_keypair(
                mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
                store=False,
                private_template={Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True},
            )
            read, wrapped = self.take_out(session, private)
            assert len(read) == 32
            assert (
                wrapped is pkcs11.KeyNotWrappable
            )  # SoftHSM wraps no Ed25519 key, for another reason than ours

    def take_out(self, session, key) -> list[Any]:
        thief = session.generate_key(KeyType.AES, 256, label="thief", store=False)
        results = []
        for attempt in (
            lambda: bytes(key[Attribute.VALUE]),
            lambda: thief.wrap_key(key, mechanism=pkcs11.Mechanism.AES_KEY_WRAP_PAD),
        ):
            try:
                results.append(attempt())
            except pkcs11.PKCS11Error as error:
                results.append(type(error))
        return results

    def test_the_pin_is_asked_for_once_and_only_to_sign(self, store, person):
        public_key = store.make(os.urandom).public_key
        close_tokens()
        person.asked.clear()
        key = store.open(public_key)
        assert key.device_id == derive_device_id(public_key)
        assert person.asked == []
        for message in (b"one", b"two", b"three"):
            verify_signature(public_key, message, key.sign(message))
        assert [question.kind for question in person.asked] == [QuestionKind.PIN]

    def test_a_token_that_is_pulled_out_says_so(self, store, token):
        key = store.make(os.urandom)
        key.sign(b"x")
        token.remove()
        for _ in range(2):
            with pytest.raises(errors.TokenMissingError):
                key.sign(b"x")

    def test_a_token_that_comes_back_signs_again(self, store, token, person):
        key = store.make(os.urandom)
        key.sign(b"x")
        aside = token.folder.parent.with_name("drawer")
        token.folder.rename(aside)
        with pytest.raises(errors.TokenMissingError):
            key.sign(b"x")
        aside.rename(token.folder)
        token.hsm.reload()
        verify_signature(key.public_key, b"x", key.sign(b"x"))
        assert len(person.asked) == 2

    def test_a_token_without_ed25519_is_refused_and_left_empty(self, store, softhsm, token):
        with softhsm.without("CKM_EDDSA"), pytest.raises(errors.TokenUnsuitableError, match="CKM_EDDSA"):
            store.make(os.urandom)
        with token.open() as session:
            assert list(session.get_objects({})) == []

    def test_a_signature_that_does_not_verify_is_not_handed_out(self, store):
        """A token that fails, or a private key beside another's public one."""
        key = store.make(os.urandom)
        key.sign(b"x")
        real, session = key._held[1], key._held[0]

        class Failing:
            def sign(self, message: bytes, **how: object) -> bytes:
                return bytes(64) if message == b"fail" else real.sign(message, **how)

        key._held = (session, Failing())
        with pytest.raises(errors.TokenError, match="does not verify"):
            key.sign(b"fail")
        key.sign(b"x")

    def test_another_devices_public_key_finds_nothing(self, store):
        store.make(os.urandom)
        with pytest.raises(errors.DeviceKeyMissingError):
            store.open(PublicKey("ab" * 32)).sign(b"x")

    def test_a_wrong_pin_makes_nothing(self, store, token, person):
        person.answers[QuestionKind.PIN] = "000000"
        with pytest.raises(errors.WrongPinError):
            store.make(os.urandom)
        person.answers[QuestionKind.PIN] = PIN
        with token.open() as session:
            assert list(session.get_objects({})) == []


def find_seed_readers(source: str) -> bool:
    names = {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
    names |= {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    return bool(names & {"to_private_bytes", "SoftwareDeviceKey"})


def test_nothing_else_in_the_client_sees_a_seed():
    root = Path(solekey.__file__).parent
    readers = {
        str(path.relative_to(root)) for path in root.rglob("*.py") if find_seed_readers(path.read_text())
    }
    assert readers == {
        "providers/device_key_store.py"
    }  # crypto/device_key.py defines it, and uses neither name


def test_a_reader_would_be_seen():
    assert find_seed_readers("seed = profile.device_key.to_private_bytes()")
