"""The client's half: fido2's real client and HID framing, a software key at the other end of the cable."""

import builtins
from datetime import UTC, datetime

import pytest
from fido2.attestation.base import NoneAttestation
from fido2.hid import CtapHidDevice
from fido2.webauthn import AttestationObject

from solekey import errors
from solekey.connection import security_keys
from solekey.connection.passkeys import (
    derive_rp_id,
    encode_passkey,
    parse_creation_options,
    prove_passkey,
)
from solekey.connection.security_keys import SecurityKey, open_security_key
from solekey_auth.domain import FactorUse
from solekey_auth.factors.passkeys import (
    Passkey,
    encode_base64url,
    find_relying_party,
    make_creation_options,
    verify_registration,
)
from solekey_auth.factors.proof import Checked, ProvenPasskey, Verifier, parse_proof
from solekey_protocol.events.auth import Factor
from solekey_protocol.ids import AccountId
from tests.support.keys import derive_raw
from tests.support.passkeys.authenticator import AAGUID, Algorithm, Authenticator
from tests.support.passkeys.browser import decode
from tests.support.passkeys.hid import SoftwareKey

ORIGIN = "https://solekey.test:8443"
PARTY = find_relying_party(ORIGIN, "Solekey")
ACCOUNT = AccountId.from_raw(derive_raw("account of a key"))
CHALLENGE = derive_raw("a challenge", 32)


class KeyHolder:
    """Says what is asked at the terminal, and remembers what was shown."""

    def __init__(self, pin="123456"):
        self.pin = pin
        self.shown = []

    def ask(self, question):
        self.shown.append(question)
        return self.pin

    def tell(self, line):
        self.shown.append(line)


@pytest.fixture
def person():
    return KeyHolder()


@pytest.fixture
def cable():
    return SoftwareKey(Authenticator())


@pytest.fixture
def key(cable, person):
    return SecurityKey(cable.plug_in(), person.ask, person.tell)


def options(known=(), **changes):
    made = make_creation_options(PARTY, ACCOUNT, "ana@example.org", CHALLENGE, known)
    return {"options": {**made, **changes}, "expires_in_s": 120}


def add(key, known=(), **how):
    request = parse_creation_options(options(known), ORIGIN, **how)
    members = encode_passkey(key.make_credential(request), "desk")
    new = verify_registration(
        PARTY, CHALLENGE, decode(members["client_data"]), decode(members["attestation"])
    )
    now = datetime(2026, 11, 24, tzinfo=UTC)
    return Passkey(ACCOUNT, new.credential, new.public_key, new.sign_count, members["name"], now)


def judge(factor, passkey):
    return Verifier(None, PARTY).find_proven(
        parse_proof(factor), CHALLENGE.hex(), Checked(None, passkey), None
    )


@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_key_is_added_and_proves_itself_to_the_service(cable, key, person, algorithm, resident):
    cable.authenticator.algorithms = (algorithm,)
    passkey = add(key, resident=resident)
    assert len(cable.authenticator.residents) == resident
    factor = prove_passkey(key, ORIGIN, CHALLENGE.hex(), [encode_base64url(passkey.credential)])
    assert judge(factor, passkey) == ProvenPasskey(FactorUse(Factor.PASSKEY, passkey.factor_id), passkey, 2)
    assert person.shown == ["Touch the security key."] * 2
    key.close()
    assert cable.is_closed


def test_what_tells_the_make_of_the_key_stays_here(cable, key):
    """The key itself attests ("packed", with its AAGUID); what leaves the client does not."""
    made = key.make_credential(parse_creation_options(options(), ORIGIN))
    sent = AttestationObject(made.attestation)
    assert (sent.fmt, sent.att_stmt) == ("none", {})
    assert AAGUID not in made.attestation
    NoneAttestation().verify(sent.att_stmt, sent.auth_data, b"")
    raw = cable.authenticator.make_credential("solekey.test", b"ana", bytes(32), [-7])
    assert AAGUID in raw


def test_a_fingerprint_is_used_where_there_is_one_and_not_asked_of_other_keys(cable, key, person):
    """fido2 alone refuses "preferred" at a key that could have a PIN and has none."""
    cable.options |= {"clientPin": False}
    assert add(key)
    cable.options |= {"uv": True}
    cable.authenticator.verifies_user = True
    assert add(SecurityKey(cable.plug_in(), person.ask, person.tell))


def test_the_key_of_another_account_is_told_from_this_one(key):
    passkey = add(key)
    with pytest.raises(errors.PasskeyExistsError):
        add(key, [passkey])
    stranger = encode_base64url(b"a credential of another key")
    with pytest.raises(errors.PasskeyMissingError, match="this security key"):
        prove_passkey(key, ORIGIN, CHALLENGE.hex(), [stranger])
    with pytest.raises(errors.PasskeyMissingError, match="no passkey"):
        prove_passkey(key, ORIGIN, CHALLENGE.hex(), [])
    assert prove_passkey(key, ORIGIN, CHALLENGE.hex(), [stranger, encode_base64url(passkey.credential)])


def test_a_key_that_nobody_touches(cable, key):
    cable.touched = False
    with pytest.raises(errors.PasskeyTimeoutError) as refusal:
        add(key)
    assert "touch" in refusal.value.diagnostics()


def test_a_server_is_not_believed_for_whom_a_passkey_is(key):
    for rp_id in ("test", "bank.example", "127.0.0.1"):
        with pytest.raises(errors.BadAnswerError, match="another host"):
            parse_creation_options(options(rp={"id": rp_id, "name": "Bank"}), ORIGIN)


@pytest.mark.parametrize(
    "changes",
    [
        {"rp": None},
        {"user": {"id": "", "name": "x"}},
        {"user": {"id": "A" * 100, "name": "x"}},
        {"challenge": "AAAA"},
        {"challenge": 7},
        {"pubKeyCredParams": [{"alg": "x"}]},
        {"pubKeyCredParams": "x"},
        {"excludeCredentials": [{"id": "*"}]},
        {"excludeCredentials": None},
    ],
)
def test_options_that_are_none(changes):
    with pytest.raises(errors.BadAnswerError):
        parse_creation_options(options(**changes), ORIGIN)


@pytest.mark.parametrize(
    ("challenge", "credentials"),
    [("xy", ["AAAA"]), (7, ["AAAA"]), ("00" * 32, "AAAA"), ("00" * 32, [7]), ("00" * 32, ["AAAA"] * 65)],
)
def test_challenges_that_are_none(key, challenge, credentials):
    with pytest.raises(errors.BadAnswerError):
        prove_passkey(key, ORIGIN, challenge, credentials)


@pytest.mark.parametrize("origin", ["https://127.0.0.1:8443", "https://[::1]", "https://192.0.2.1"])
def test_an_address_is_no_name(origin):
    with pytest.raises(errors.PasskeyUnavailableError) as refusal:
        derive_rp_id(origin)
    assert "localhost" in refusal.value.diagnostics()
    assert derive_rp_id("https://localhost:8443") == "localhost"


class TestFinding:
    def plug(self, monkeypatch, *cables):
        devices = [cable.plug_in() for cable in cables]
        monkeypatch.setattr(CtapHidDevice, "list_devices", lambda: iter(devices))

    def test_the_one_that_is_there(self, monkeypatch, cable, person):
        self.plug(monkeypatch, cable)
        assert add(open_security_key(person.ask, person.tell))

    def test_none(self, monkeypatch, person):
        self.plug(monkeypatch)
        with pytest.raises(errors.PasskeyUnavailableError, match="no security key") as refusal:
            open_security_key(person.ask, person.tell)
        assert "Connect one" in refusal.value.diagnostics()

    def test_several(self, monkeypatch, cable, person):
        other = SoftwareKey(Authenticator())
        self.plug(monkeypatch, cable, other)
        with pytest.raises(errors.PasskeyUnavailableError, match="2 security keys"):
            open_security_key(person.ask, person.tell)
        assert cable.is_closed
        assert other.is_closed

    def test_one_that_another_program_holds(self, monkeypatch, person):
        def fail():
            raise PermissionError
            yield

        monkeypatch.setattr(CtapHidDevice, "list_devices", fail)
        with pytest.raises(errors.PasskeyUnavailableError):
            open_security_key(person.ask, person.tell)

    def test_without_the_package(self, monkeypatch, person):
        real = builtins.__import__

        def refuse(name, *args, **kwargs):
            if name.startswith("fido2"):
                raise ImportError(name)
            return real(name, *args, **kwargs)

        monkeypatch.setattr(builtins, "__import__", refuse)
        with pytest.raises(errors.PasskeyUnavailableError) as refusal:
            open_security_key(person.ask, person.tell)
        assert "solekey[passkey]" in refusal.value.diagnostics()
        assert security_keys.TIMEOUT_MS
