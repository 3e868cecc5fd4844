"""The pure core: real bytes of the software authenticator, right in every part but the one of each test.

Each refusal stands beside its control: the same ceremony without the fault, which is taken.
"""

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solekey_auth.factors.passkeys import (
    Assertion,
    Passkey,
    find_relying_party,
    is_counter_ahead,
    make_creation_options,
    verify_assertion,
    verify_registration,
)
from solekey_auth.limits import MAX_CLIENT_DATA_BYTES
from solekey_auth.refusals import PasskeyRefused
from solekey_protocol.encoding import encode_json
from solekey_protocol.ids import AccountId
from tests.support.keys import derive_raw
from tests.support.passkeys.authenticator import AAGUID, Algorithm, Authenticator, Flag, KeyPair, sha256
from tests.support.passkeys.browser import Browser, decode, encode

HOST = "solekey.test"
ORIGIN = f"https://{HOST}"
PARTY = find_relying_party(ORIGIN, "Solekey")
ACCOUNT = AccountId.from_raw(derive_raw("account of a passkey"))
CREATE = derive_raw("challenge to create", 32)
GET = derive_raw("challenge to get", 32)
PATIENT = settings(deadline=2000)  # ms: a machine under load is slow, what reserves memory is slower
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def create(browser, challenge=CREATE, known=(), **how):
    options = make_creation_options(PARTY, ACCOUNT, "ana@example.org", challenge, known)
    made = browser.create(options, **how)
    return decode(made["client_data"]), decode(made["attestation"])


def enrol(browser, **how):
    new = verify_registration(PARTY, CREATE, *create(browser, **how))
    return Passkey(ACCOUNT, new.credential, new.public_key, new.sign_count, "key", NOW)


def get(browser, passkey, challenge=GET):
    factor = browser.get(challenge, [encode(passkey.credential)])
    members = ("credential", "client_data", "authenticator_data", "signature")
    return Assertion(*(decode(factor[member]) for member in members))


@pytest.fixture
def authenticator():
    return Authenticator()


@pytest.fixture
def browser(authenticator):
    return Browser(authenticator, ORIGIN, HOST)


@pytest.fixture
def passkey(browser):
    return enrol(browser)


class TestRightOnes:
    @pytest.mark.parametrize("resident", [False, True])
    @pytest.mark.parametrize("attestation", ["packed", "none"])
    @pytest.mark.parametrize("algorithm", list(Algorithm))
    @pytest.mark.parametrize("verifies_user", [False, True])
    def test_a_passkey_is_made_and_used(self, algorithm, attestation, resident, verifies_user):
        authenticator = Authenticator(
            algorithms=[algorithm], attestation=attestation, verifies_user=verifies_user
        )
        browser = Browser(authenticator, ORIGIN, HOST)
        passkey = enrol(browser, resident=resident)
        assert passkey.sign_count == 1
        assert len(authenticator.residents) == resident
        assert verify_assertion(PARTY, GET, passkey, get(browser, passkey)) == 2

    def test_an_authenticator_without_a_counter_is_taken_again_and_again(self):
        browser = Browser(Authenticator(counts=False), ORIGIN, HOST)
        passkey = enrol(browser)
        assert [verify_assertion(PARTY, GET, passkey, get(browser, passkey)) for _ in range(2)] == [0, 0]

    def test_options_are_what_a_browser_parses(self, passkey):
        options = make_creation_options(PARTY, ACCOUNT, "ana@example.org", CREATE, [passkey])
        assert json.loads(encode_json(options)) == {
            "rp": {"id": HOST, "name": "Solekey"},
            "user": {
                "id": encode(ACCOUNT.raw),
                "name": "ana@example.org",
                "displayName": "ana@example.org",
            },
            "challenge": encode(CREATE),
            "pubKeyCredParams": [{"type": "public-key", "alg": -7}, {"type": "public-key", "alg": -8}],
            "timeout": 120_000,
            "excludeCredentials": [{"type": "public-key", "id": encode(passkey.credential)}],
            "authenticatorSelection": {
                "residentKey": "discouraged",
                "requireResidentKey": False,
                "userVerification": "preferred",
            },
            "attestation": "none",
        }

    def test_no_log_line_has_the_credential(self, browser, caplog):
        caplog.set_level(logging.INFO)
        passkey = enrol(browser)
        verify_assertion(PARTY, GET, passkey, get(browser, passkey))
        assert passkey.credential.hex() not in caplog.text
        assert passkey.credential.hex() not in repr(passkey)


class TestRegistration:
    @pytest.mark.parametrize(
        ("said", "words"),
        [
            ({"origin": "https://solekey.test:444"}, "origin"),
            ({"origin": "https://login.solekey.test"}, "origin"),
            ({"origin": "http://solekey.test"}, "origin"),
            ({"origin": "https://solekey.test.evil.example"}, "origin"),
            ({"type": "webauthn.get"}, "type"),
            ({"type": "payment.get"}, "type"),
            ({"challenge": encode(GET)}, "challenge"),
            ({"challenge": encode(CREATE) + "="}, "challenge"),
            ({"challenge": ""}, "challenge"),
            ({"challenge": None}, "challenge"),
            ({"crossOrigin": True}, "another page"),
            ({"crossOrigin": "false"}, "another page"),
            ({"topOrigin": "https://evil.example"}, "another page"),
            ({"type": ["webauthn.create"]}, "must say"),
            ({"origin": {"of": ORIGIN}}, "must say"),
        ],
    )
    def test_client_data_says_where_and_for_what(self, browser, said, words):
        browser.said = said
        with pytest.raises(PasskeyRefused, match=words):
            verify_registration(PARTY, CREATE, *create(browser))
        browser.said = {"crossOrigin": None, "other": "members may come"}
        verify_registration(PARTY, CREATE, *create(browser))

    def test_a_number_for_the_challenge_reserves_no_memory(self, browser):
        """fido2 alone would make as many bytes as the number says: 10 GB here."""
        browser.said = {"challenge": 10_000_000_000}
        with pytest.raises(PasskeyRefused, match="must say"):
            verify_registration(PARTY, CREATE, *create(browser))

    @pytest.mark.parametrize("member", ["authData", "fmt", "attStmt"])
    def test_a_number_in_the_attestation_reserves_no_memory(self, browser, member):
        """fido2 alone would make as many bytes for the authenticator data as the number says."""
        client_data, attestation = create(browser)
        made = cbor2.loads(attestation)
        with pytest.raises(PasskeyRefused, match="types"):
            verify_registration(PARTY, CREATE, client_data, cbor2.dumps(made | {member: 10_000_000_000}))
        with pytest.raises(PasskeyRefused, match="members"):
            verify_registration(PARTY, CREATE, client_data, cbor2.dumps(made | {"more": 1}))

    def test_rp_id_is_the_host(self, authenticator):
        with pytest.raises(PasskeyRefused, match="RP ID"):
            verify_registration(PARTY, CREATE, *create(Browser(authenticator, ORIGIN, "evil.example")))
        with pytest.raises(PasskeyRefused, match="RP ID"):
            verify_registration(PARTY, CREATE, *create(Browser(authenticator, ORIGIN, "test")))

    def test_somebody_was_there(self, browser):
        browser.present = False
        with pytest.raises(PasskeyRefused, match="User Present"):
            verify_registration(PARTY, CREATE, *create(browser))

    def test_flags_do_not_contradict_each_other(self, browser):
        browser.authenticator.extra_flags = Flag.BS
        with pytest.raises(PasskeyRefused, match="flags"):
            verify_registration(PARTY, CREATE, *create(browser))
        browser.authenticator.extra_flags = Flag.BS | Flag.BE
        verify_registration(PARTY, CREATE, *create(browser))

    def test_the_attestation_fits_what_it_attests(self, browser):
        client_data, attestation = create(browser)
        flipped = bytearray(attestation)
        at = attestation.index(AAGUID)
        flipped[at] ^= 1
        with pytest.raises(PasskeyRefused):
            verify_registration(PARTY, CREATE, client_data, bytes(flipped))
        verify_registration(PARTY, CREATE, client_data, attestation)

    def test_a_statement_of_format_none_is_empty(self, browser):
        client_data, attestation = create(browser)
        made = cbor2.loads(attestation) | {"fmt": "none"}
        with pytest.raises(PasskeyRefused):
            verify_registration(PARTY, CREATE, client_data, cbor2.dumps(made))
        verify_registration(PARTY, CREATE, client_data, cbor2.dumps(made | {"attStmt": {}}))

    @pytest.mark.parametrize("fmt", ["fido-u2f", "tpm", "android-key", ""])
    def test_other_formats_are_refused(self, browser, fmt):
        client_data, attestation = create(browser)
        with pytest.raises(PasskeyRefused, match="format"):
            verify_registration(
                PARTY, CREATE, client_data, cbor2.dumps(cbor2.loads(attestation) | {"fmt": fmt})
            )

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({3: -257}, "not offered"),
            ({3: -35}, "not offered"),
            ({3: -65535}, "not offered"),
            ({3: 0}, "malformed"),
            ({1: 1}, "another kind"),
            ({-1: 2}, "another kind"),
            ({-4: b"x"}, "another kind"),
            ({-2: b"x" * 31}, "not as long"),
            ({-2: 7}, "not as long"),
            ({-3: bytes(32)}, "malformed"),  # not on the curve
        ],
    )
    def test_the_key_is_one_of_the_algorithms_offered(self, browser, change, words):
        client_data, attestation = self.with_key(browser, change)
        with pytest.raises(PasskeyRefused, match=words):
            verify_registration(PARTY, CREATE, client_data, attestation)
        verify_registration(PARTY, CREATE, *self.with_key(browser, {}))

    def with_key(self, browser, change):
        pair = KeyPair(Algorithm.ES256, derive_raw("a key", 32))
        cose = cbor2.dumps(pair.cose() | change)
        data = sha256(HOST.encode()) + bytes([Flag.UP | Flag.AT]) + bytes(4)
        data += AAGUID + (4).to_bytes(2, "big") + b"cred" + cose
        client_data = browser.collect("webauthn.create", CREATE)
        return client_data, cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})

    def test_it_attests_a_credential(self, browser):
        client_data = browser.collect("webauthn.create", CREATE)
        data = sha256(HOST.encode()) + bytes([Flag.UP]) + bytes(4)
        with pytest.raises(PasskeyRefused, match="no credential"):
            verify_registration(
                PARTY, CREATE, client_data, cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
            )

    def test_client_data_has_a_largest_size(self, browser):
        browser.said = {"padding": "x" * MAX_CLIENT_DATA_BYTES}
        with pytest.raises(PasskeyRefused, match="not JSON"):
            verify_registration(PARTY, CREATE, *create(browser))


class TestAssertion:
    @pytest.mark.parametrize(
        ("said", "words"),
        [
            ({"origin": "https://evil.example"}, "origin"),
            ({"type": "webauthn.create"}, "type"),
            ({"challenge": encode(CREATE)}, "challenge"),
            ({"crossOrigin": True}, "another page"),
        ],
    )
    def test_client_data_says_where_and_for_what(self, browser, passkey, said, words):
        browser.said = said
        with pytest.raises(PasskeyRefused, match=words):
            verify_assertion(PARTY, GET, passkey, get(browser, passkey))
        browser.said = {}
        verify_assertion(PARTY, GET, passkey, get(browser, passkey))

    def test_the_signature_is_the_keys(self, browser, passkey):
        right = get(browser, passkey)
        flipped = bytearray(right.signature)
        flipped[-1] ^= 1
        for wrong in (
            replace(right, signature=bytes(flipped)),
            replace(right, signature=b""),
            replace(right, client_data=right.client_data[:-1] + b',"a":1}'),
        ):
            with pytest.raises(PasskeyRefused, match="Invalid signature"):
                verify_assertion(PARTY, GET, passkey, wrong)
        verify_assertion(PARTY, GET, passkey, right)

    def test_the_counter_is_signed(self, browser, passkey):
        right = get(browser, passkey)
        higher = right.authenticator_data[:33] + (99).to_bytes(4, "big")
        with pytest.raises(PasskeyRefused, match="Invalid signature"):
            verify_assertion(PARTY, GET, passkey, replace(right, authenticator_data=higher))

    def test_rp_id_is_the_host(self, browser, passkey):
        """An authenticator that is asked for another site: here it signs for it with the same key."""
        client_data = browser.collect("webauthn.get", GET)
        pair = browser.authenticator.find_key(HOST, passkey.credential)
        for host, refused in (("evil.example", True), (HOST, False)):
            data = sha256(host.encode()) + bytes([Flag.UP]) + (9).to_bytes(4, "big")
            signed = Assertion(passkey.credential, client_data, data, pair.sign(data + sha256(client_data)))
            if refused:
                with pytest.raises(PasskeyRefused, match="RP ID"):
                    verify_assertion(PARTY, GET, passkey, signed)
            else:
                assert verify_assertion(PARTY, GET, passkey, signed) == 9

    def test_somebody_was_there(self, browser, passkey):
        browser.present = False
        with pytest.raises(PasskeyRefused, match="User Present"):
            verify_assertion(PARTY, GET, passkey, get(browser, passkey))
        browser.present = True
        verify_assertion(PARTY, GET, passkey, get(browser, passkey))

    def test_another_credential_is_another(self, browser, passkey):
        other = enrol(browser)
        with pytest.raises(PasskeyRefused, match="Unknown credential"):
            verify_assertion(PARTY, GET, passkey, get(browser, other))
        stolen = replace(get(browser, other), credential=passkey.credential)
        with pytest.raises(PasskeyRefused, match="Invalid signature"):
            verify_assertion(PARTY, GET, passkey, stolen)
        verify_assertion(PARTY, GET, other, get(browser, other))

    def test_an_assertion_counts_once(self, browser, passkey):
        said = get(browser, passkey)
        used = replace(passkey, sign_count=verify_assertion(PARTY, GET, passkey, said))
        with pytest.raises(PasskeyRefused, match="counter"):
            verify_assertion(PARTY, GET, used, said)

    def test_a_copy_of_the_key_is_found_by_its_counter(self, authenticator, browser, passkey):
        thief = Browser(authenticator.clone(), ORIGIN, HOST)
        for _ in range(3):
            used = replace(passkey, sign_count=verify_assertion(PARTY, GET, passkey, get(browser, passkey)))
        with pytest.raises(PasskeyRefused, match="copy"):
            verify_assertion(PARTY, GET, used, get(thief, passkey))
        verify_assertion(PARTY, GET, used, get(browser, passkey))

    @pytest.mark.parametrize(
        ("known", "said", "ahead"),
        [
            (0, 0, True),
            (0, 1, True),
            (1, 0, False),
            (1, 1, False),
            (2, 1, False),
            (1, 2, True),
            (5, 900, True),
        ],
    )
    def test_counters(self, known, said, ahead):
        assert is_counter_ahead(known, said) is ahead


class TestMalformed:
    """Whatever the bytes are, the answer is a refusal and nothing else; nothing of them is repeated."""

    CLIENT_DATA = Browser(Authenticator(), ORIGIN, HOST).collect("webauthn.create", CREATE)

    @PATIENT
    @given(st.binary(max_size=200))
    def test_attestations(self, raw):
        with pytest.raises(PasskeyRefused):
            verify_registration(PARTY, CREATE, self.CLIENT_DATA, raw)

    @PATIENT
    @given(
        st.binary(max_size=200)
        | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps)
    )
    def test_client_data(self, raw):
        client_data = raw.encode() if isinstance(raw, str) else raw
        with pytest.raises(PasskeyRefused):
            verify_registration(PARTY, CREATE, client_data, b"")

    VALUES = st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**40), 2**40)
        | st.binary(max_size=60)
        | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.integers(-9, 9) | st.text(max_size=9), inner, max_size=3)
        ),
        max_leaves=6,
    )

    @PATIENT
    @given(st.sampled_from(["fmt", "attStmt", "authData"]), VALUES)
    def test_members_of_attestations(self, member, value):
        _, attestation = create(Browser(Authenticator(), ORIGIN, HOST))
        made = cbor2.loads(attestation) | {member: value}
        with pytest.raises(PasskeyRefused) as refusal:
            verify_registration(PARTY, CREATE, self.CLIENT_DATA, cbor2.dumps(made))
        assert len(str(refusal.value)) < 100

    @PATIENT
    @given(st.dictionaries(st.sampled_from(["alg", "sig", "x5c", "ecdaaKeyId"]), VALUES))
    def test_statements(self, statement):
        client_data, attestation = create(Browser(Authenticator(), ORIGIN, HOST))
        made = cbor2.loads(attestation) | {"attStmt": statement}
        with pytest.raises(PasskeyRefused):
            verify_registration(PARTY, CREATE, client_data, cbor2.dumps(made))

    MADE = create(Browser(Authenticator(), ORIGIN, HOST))

    @PATIENT
    @given(st.data())
    def test_mutants(self, data):
        """One byte of a right answer is another one: refused wherever a signature covers it."""
        client_data, attestation = self.MADE
        at = data.draw(st.integers(0, len(attestation) - 1))
        mutant = bytearray(attestation)
        mutant[at] ^= data.draw(st.integers(1, 255))
        with pytest.raises(PasskeyRefused):
            verify_registration(PARTY, CREATE, client_data, bytes(mutant))

    @pytest.mark.parametrize("head", [b"\x81", b"\xa1\x00", b"\x9b" + b"\xff" * 8, b"\xbb" + b"\xff" * 8])
    def test_deep_or_long_cbor(self, head):
        with pytest.raises(PasskeyRefused):
            verify_registration(PARTY, CREATE, self.CLIENT_DATA, head * 4000)

    @PATIENT
    @given(st.binary(max_size=120), st.binary(max_size=80))
    def test_assertions(self, authenticator_data, signature):
        browser = Browser(Authenticator(), ORIGIN, HOST)
        passkey = enrol(browser)
        said = Assertion(
            passkey.credential, browser.collect("webauthn.get", GET), authenticator_data, signature
        )
        with pytest.raises(PasskeyRefused):
            verify_assertion(PARTY, GET, passkey, said)


@pytest.mark.parametrize(
    ("origin", "rp_id"),
    [
        ("https://solekey.test", "solekey.test"),
        ("https://solekey.test:8443", "solekey.test"),
        ("https://localhost:8443", "localhost"),
        ("https://127.0.0.1:8443", None),
        ("https://[::1]:8443", None),
        ("https://192.0.2.7", None),
    ],
)
def test_passkeys_are_for_a_host_name(origin, rp_id):
    party = find_relying_party(origin, "Solekey")
    assert (party and party.rp_id) == rp_id
