"""PKCS#11 for real, on SoftHSM2: the key that opens the user key cannot be taken out; failures have names."""

import os
from pathlib import Path
from types import SimpleNamespace

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass

from solekey import errors
from solekey.providers import QuestionKind, close_tokens, open_provider
from solekey.providers import token as token_module
from solekey.providers.pkcs11_uri import Pkcs11Uri, parse_pkcs11_uri
from solekey.providers.token_provider import OBJECT_BYTES, verify_unextractable
from tests.support.client.places import ADA, BOB, Answers, make_key
from tests.support.engines.softhsm import PIN, SO_PIN


@pytest.fixture
def provider(token, person):
    return open_provider(token.spec(), account=ADA, ask=person)


def find(session, kind: ObjectClass):
    (found,) = session.get_objects({Attribute.CLASS: kind})
    return found


def rewrite(session, data, value: bytes) -> None:
    """Put a data object with another value in the place of one."""
    names = (Attribute.LABEL, Attribute.APPLICATION, Attribute.PRIVATE, Attribute.TOKEN)
    template = {name: data[name] for name in names}
    data.destroy()
    session.create_object({Attribute.CLASS: ObjectClass.DATA, **template, Attribute.VALUE: value})


def make_aes(session, label: str, *, extractable: bool):
    return session.generate_key(
        KeyType.AES,
        256,
        label=label,
        store=False,
        capabilities=MechanismFlag.ENCRYPT | MechanismFlag.WRAP,
        template={Attribute.SENSITIVE: not extractable, Attribute.EXTRACTABLE: extractable},
    )


def try_to_take_out(session, key) -> dict[str, bytes | type[Exception]]:
    """Try every way out of a token that PKCS#11 has: read it, wrap it, copy it as something weaker."""
    wrapping = make_aes(session, "thief", extractable=False)
    attempts = {
        "read": lambda: key[Attribute.VALUE],
        "wrap": lambda: wrapping.wrap_key(key, mechanism=Mechanism.AES_KEY_WRAP),
        "copy": lambda: key.copy({Attribute.EXTRACTABLE: True, Attribute.SENSITIVE: False})[Attribute.VALUE],
        "loosen": lambda: key.__setitem__(Attribute.EXTRACTABLE, True),
        "unhide": lambda: key.__setitem__(Attribute.SENSITIVE, False),
    }
    results: dict[str, bytes | type[Exception]] = {}
    for name, attempt in attempts.items():
        try:
            results[name] = attempt()
        except pkcs11.PKCS11Error as error:
            results[name] = type(error)
    return results


class TestTheKeyThatOpensTheUserKey:
    def test_is_what_the_token_says_it_is(self, provider, token):
        provider.store(make_key())
        with token.open() as session:
            key = find(session, ObjectClass.SECRET_KEY)
            assert (key.key_type, key.key_length, key.label, key.id) == (KeyType.AES, 256, "test", ADA.raw)
            for attribute in (
                "SENSITIVE",
                "ALWAYS_SENSITIVE",
                "NEVER_EXTRACTABLE",
                "LOCAL",
                "PRIVATE",
                "TOKEN",
            ):
                assert key[Attribute[attribute]] is True, attribute
            for attribute in ("EXTRACTABLE", "WRAP", "UNWRAP", "DERIVE", "SIGN", "VERIFY"):
                assert key[Attribute[attribute]] is False, attribute

    def test_cannot_be_taken_out(self, provider, token):
        provider.store(make_key())
        with token.open() as session:
            results = try_to_take_out(session, find(session, ObjectClass.SECRET_KEY))
        assert results["read"] is pkcs11.AttributeSensitive
        assert results["wrap"] is pkcs11.KeyUnextractable
        for way in ("copy", "loosen", "unhide"):
            assert isinstance(results[way], type), way
            assert issubclass(results[way], pkcs11.PKCS11Error), way

    def test_a_key_that_may_leave_does_leave_by_the_same_means(self, token):
        """Positive control: the attempts above work where the token does not forbid them."""
        with token.open() as session:
            results = try_to_take_out(session, make_aes(session, "loose", extractable=True))
        assert len(results["read"]) == 32
        assert len(results["wrap"]) == 40

    def test_one_that_may_leave_is_not_used(self, provider, token):
        provider.store(make_key())
        with token.open() as session:
            find(session, ObjectClass.SECRET_KEY).destroy()
            session.generate_key(
                KeyType.AES,
                256,
                label="test",
                id=ADA.raw,
                store=True,
                template={Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True},
            )
        for operation in (provider.load, lambda: provider.store(make_key(), replace=True)):
            with pytest.raises(errors.TokenUnsuitableError, match="can leave"):
                operation()

    def test_one_that_was_imported_is_not_used(self, token):
        """Whoever imported it knows it: never extractable and made on the token are both asked for."""
        with token.open() as session:
            imported = session.create_object(
                {
                    Attribute.CLASS: ObjectClass.SECRET_KEY,
                    Attribute.KEY_TYPE: KeyType.AES,
                    Attribute.VALUE: bytes(32),
                    Attribute.SENSITIVE: True,
                    Attribute.EXTRACTABLE: False,
                }
            )
            with pytest.raises(errors.TokenUnsuitableError):
                verify_unextractable(imported)


class TestWhatLiesOnTheToken:
    def test_is_private_and_holds_no_key_in_clear(self, provider, token):
        provider.store(make_key())
        with token.open() as session:
            data = find(session, ObjectClass.DATA)
            assert data[Attribute.PRIVATE] is True
            assert data[Attribute.LABEL] == f"test {ADA}"
            assert data[Attribute.APPLICATION] == "solekey"
            value = data[Attribute.VALUE]
        assert len(value) == OBJECT_BYTES == 97
        assert value[:5] == b"SKT1\x01"
        assert value[5:21] == ADA.raw
        assert value[21:37].hex() == make_key().derive_key_id(ADA)
        assert bytes(make_key().expose()) not in value

    def test_opens_only_with_all_that_stands_before_it(self, provider, token):
        provider.store(make_key())
        with token.open() as session:
            key, value = (
                find(session, ObjectClass.SECRET_KEY),
                find(session, ObjectClass.DATA)[Attribute.VALUE],
            )

            def open_with(associated: bytes) -> bytes:
                how = pkcs11.GCMParams(value[37:49], associated, 128)
                return bytes(key.decrypt(value[49:], mechanism=Mechanism.AES_GCM, mechanism_param=how))

            assert open_with(value[:49]) == bytes(make_key().expose())
            for other in (b"", value[:37], value[:5] + BOB.raw + value[21:49]):
                with pytest.raises(pkcs11.PKCS11Error):
                    open_with(other)

    def test_nobody_sees_it_without_the_pin(self, provider, token):
        provider.store(make_key())
        close_tokens()
        with pkcs11.lib(token.hsm.module).get_token(token_label=token.label).open() as session:
            assert list(session.get_objects({})) == []

    @pytest.mark.parametrize("offset", [0, 4, 5, 20, 21, 36, 37, 48, 49, 80, 81, 96])
    def test_an_altered_byte_is_found_out(self, provider, token, offset):
        provider.store(make_key())
        with token.open() as session:
            data = find(session, ObjectClass.DATA)
            value = bytearray(data[Attribute.VALUE])
            value[offset] ^= 1
            rewrite(session, data, bytes(value))
        with pytest.raises(errors.TamperedTokenObjectError):
            provider.load()

    @pytest.mark.parametrize("value", [b"", b"SKT1", bytes(97), b"x" * 500])
    def test_anything_else_is_found_out(self, provider, token, value):
        provider.store(make_key())
        with token.open() as session:
            rewrite(session, find(session, ObjectClass.DATA), value)
        with pytest.raises(errors.TamperedTokenObjectError):
            provider.load()
        with pytest.raises(errors.ProviderOccupiedError):
            provider.store(make_key())
        provider.store(make_key(), replace=True)
        assert provider.load() == make_key()

    def test_moved_to_another_account_it_does_not_open(self, provider, token, person):
        provider.store(make_key())
        other = open_provider(token.spec(), account=BOB, ask=person)
        other.store(make_key(1))
        with token.open() as session:
            values = {
                data[Attribute.LABEL]: data
                for data in session.get_objects({Attribute.CLASS: ObjectClass.DATA})
            }
            rewrite(session, values[f"test {BOB}"], values[f"test {ADA}"][Attribute.VALUE])
        with pytest.raises(errors.TamperedTokenObjectError):
            other.load()

    def test_deleting_leaves_nothing(self, provider, token):
        provider.store(make_key())
        provider.delete()
        with token.open() as session:
            assert list(session.get_objects({})) == []

    def test_without_its_key_it_is_lost(self, provider, token):
        provider.store(make_key())
        with token.open() as session:
            find(session, ObjectClass.SECRET_KEY).destroy()
        with pytest.raises(errors.ProviderEmptyError, match="lost the key"):
            provider.load()

    def test_twice_the_same_is_refused_rather_than_guessed_at(self, provider, token):
        provider.store(make_key())
        with token.open() as session:
            find(session, ObjectClass.DATA).copy({Attribute.TOKEN: True})
        with pytest.raises(errors.TokenError, match="2 objects"):
            provider.load()


class TestThePin:
    def test_is_asked_for_once(self, provider, token, person):
        provider.store(make_key())
        provider.load()
        open_provider(token.spec("other"), account=BOB, ask=person).store(make_key(1))
        assert [(question.kind, question.subject) for question in person.asked] == [
            (QuestionKind.PIN, token.label)
        ]

    def test_is_asked_for_again_after_logging_out(self, provider, person):
        provider.store(make_key())
        close_tokens()
        provider.load()
        assert len(person.asked) == 2

    def test_a_wrong_one_is_tried_once(self, token):
        person = Answers({QuestionKind.PIN: "000000"})
        provider = open_provider(token.spec(), account=ADA, ask=person)
        with pytest.raises(errors.WrongPinError) as caught:
            provider.load()
        assert len(person.asked) == 1
        assert "000000" not in str(caught.value)
        person.answers[QuestionKind.PIN] = PIN
        provider.store(make_key())
        assert provider.load() == make_key()

    def test_the_security_officers_is_not_the_users(self, token):
        with pytest.raises(errors.WrongPinError):
            open_provider(token.spec(), account=ADA, ask=Answers({QuestionKind.PIN: SO_PIN})).load()

    def test_a_locked_one_says_so(self, person):
        """SoftHSM never locks: what a token says that does is said here in its place."""
        token = SimpleNamespace(label="locked", flags=pkcs11.TokenFlag.USER_PIN_LOCKED)
        with pytest.raises(errors.PinLockedError):
            token_module._log_in(token, Pkcs11Uri(), person)
        assert person.asked == []

        def refuse(**_: object) -> None:
            raise pkcs11.PinLocked

        token = SimpleNamespace(label="locked", flags=pkcs11.TokenFlag(0), open=refuse)
        with pytest.raises(errors.PinLockedError):
            token_module._log_in(token, Pkcs11Uri(), person)

    def test_may_come_from_a_file(self, token, tmp_path, person):
        source = tmp_path / "my pin"
        source.write_text(f"{PIN}\nnot this\n")
        source.chmod(0o600)
        spec = token.spec(**{"pin-source": f"file:{source}"})
        assert PIN not in spec
        open_provider(spec, account=ADA, ask=person).store(make_key())
        assert person.asked == []

    def test_a_file_that_others_may_read_is_refused(self, token, tmp_path, person):
        source = tmp_path / "pin"
        source.write_text(PIN)
        source.chmod(0o644)
        with pytest.raises(errors.SpecError, match="open to other users"):
            open_provider(token.spec(**{"pin-source": str(source)}), account=ADA, ask=person).load()

    @pytest.mark.parametrize("content", [None, b"\xff\xff"])
    def test_a_file_that_has_none_is_refused(self, token, tmp_path, person, content):
        source = tmp_path / "pin"
        if content is not None:
            source.write_bytes(content)
            source.chmod(0o600)
        with pytest.raises(errors.SpecError):
            open_provider(token.spec(**{"pin-source": str(source)}), account=ADA, ask=person).load()


class TestTheToken:
    def test_that_is_not_there(self, token, person):
        spec = token.spec().replace("token=", "token=another%20")
        with pytest.raises(errors.TokenMissingError):
            open_provider(spec, account=ADA, ask=person).load()
        assert person.asked == []

    def test_of_which_there_are_two(self, softhsm, token, person):
        twin = softhsm.make_token(token.label)
        provider = open_provider(token.spec(), account=ADA, ask=person)
        try:
            with pytest.raises(errors.TokenAmbiguousError, match="2 tokens") as caught:
                provider.load()
            serials = str(caught.value).split("serials ")[1].split(", ")
            spec = token.spec().replace(";object=", f";serial={serials[0]};object=")
            open_provider(spec, account=ADA, ask=person).store(make_key())
            assert open_provider(spec, account=ADA, ask=person).load() == make_key()
        finally:
            twin.remove()

    def test_is_found_by_everything_that_it_says_of_itself(self, token, person):
        found = pkcs11.lib(token.hsm.module).get_token(token_label=token.label)
        for name, value, fits in (
            ("serial", found.serial.decode(), True),
            ("serial", "00", False),
            ("slot-id", str(found.slot.slot_id), True),
            ("slot-id", "1", False),
            ("manufacturer", "SoftHSM%20project", True),
            ("manufacturer", "Acme", False),
            ("model", "SoftHSM%20v2", True),
            ("model", "x", False),
        ):
            spec = token.spec().replace(";object=", f";{name}={value};object=")
            provider = open_provider(spec, account=ADA, ask=person)
            with pytest.raises(errors.ProviderEmptyError if fits else errors.TokenMissingError):
                provider.load()

    def test_that_is_pulled_out_in_the_middle(self, provider, token):
        provider.store(make_key())
        token.remove()
        for operation in (provider.load, lambda: provider.store(make_key()), provider.delete):
            with pytest.raises(errors.TokenMissingError):
                operation()

    def test_that_is_pulled_out_while_it_is_used(self, token, person):
        """Between finding the key and using it: the open session says so, and is forgotten."""
        opened = token_module.open_token(parse_pkcs11_uri(token.spec()), person)
        key = make_aes(opened.session, "x", extractable=False)
        token.remove()
        with pytest.raises(errors.TokenMissingError, match="gone"), opened.use() as session:
            session.create_object(
                {Attribute.CLASS: ObjectClass.DATA, Attribute.TOKEN: True, Attribute.LABEL: "x"}
            )
        assert opened.closed
        del key

    def test_module_that_is_not_there(self, person, tmp_path):
        for module, said in ((tmp_path / "no.so", "there is no"), (Path(__file__), "cannot be loaded")):
            provider = open_provider(f"pkcs11:token=a?module-path={module}", account=ADA, ask=person)
            with pytest.raises(errors.TokenModuleError, match=said):
                provider.load()

    def test_module_that_is_not_named(self, person):
        with pytest.raises(errors.TokenModuleError, match="names no"):
            open_provider("pkcs11:token=a", account=ADA, ask=person).load()

    def test_that_does_not_have_what_is_needed(self, softhsm, provider):
        missing = pytest.raises(errors.TokenUnsuitableError, match="CKM_AES_KEY_GEN")
        with softhsm.without("CKM_AES_KEY_GEN"), missing:
            provider.store(make_key())
        provider.store(make_key())

    def test_an_application_that_has_logged_in_is_not_asked_again(self, provider, token):
        with token.open():
            provider.store(make_key())
            assert provider.load() == make_key()
            close_tokens()


def test_nothing_of_the_token_is_in_the_clear_on_disk(provider, token):
    """SoftHSM keeps private objects encrypted under the PIN; the user key is nowhere in its files."""
    provider.store(make_key())
    files = [Path(folder) / name for folder, _, names in os.walk(token.folder) for name in names]
    assert files
    assert not any(bytes(make_key().expose()) in path.read_bytes() for path in files)
