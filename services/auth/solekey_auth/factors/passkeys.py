"""Passkeys (WebAuthn Level 2): creation options, and the verification of what authenticators answer.

Pure: bytes and values in, a decision out. fido2 parses and compares; what it leaves to its caller is checked
here: types inside the client data, cross-origin use, attestation formats, the sign counter.
Public keys are verified by `cose_keys`.

Spec: factors.md §3.
"""

import ipaddress
import logging
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, cast
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from fido2 import cbor
from fido2.attestation.base import InvalidAttestation, NoneAttestation
from fido2.attestation.packed import PackedAttestation
from fido2.cose import CoseKey
from fido2.server import Fido2Server
from fido2.webauthn import (
    Aaguid,
    AttestationConveyancePreference,
    AttestationObject,
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorAssertionResponse,
    AuthenticatorAttestationResponse,
    AuthenticatorData,
    CollectedClientData,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialParameters,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from solekey_auth.factors.cose_keys import ALGORITHMS, verify_public_key
from solekey_auth.limits import (
    CHALLENGE_BYTES,
    MAX_ATTESTATION_VALUES,
    MAX_AUTHENTICATOR_DATA_BYTES,
    MAX_CLIENT_DATA_BYTES,
    MAX_CREDENTIAL_ID_BYTES,
)
from solekey_auth.refusals import PasskeyRefused
from solekey_protocol.cbor import verify_cbor_cost
from solekey_protocol.encoding import Json, encode_base64url, parse_base64url, parse_lenient_json
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import AccountId, Digest, compute_digest
from solekey_service.refusals import BadRequest

CHALLENGE_LIFE_MS: Final = 120_000
"""A hint for the authenticator; how long a challenge is good is decided by its row."""
_ATTESTATIONS: Final = {"none": NoneAttestation, "packed": PackedAttestation}
_FAULTS: Final = (  # what fido2 and cryptography raise on bytes that are not what they should be
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    OverflowError,
    RecursionError,
    struct.error,
    InvalidAttestation,
    UnsupportedAlgorithm,
)


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """For whom passkeys are made: the origin as a whole, and its host."""

    origin: str
    rp_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey of an account, as it is kept. ``public_key`` is a COSE key in CBOR."""

    account: AccountId
    credential: bytes = field(repr=False)
    public_key: bytes = field(repr=False)
    sign_count: int
    name: str = field(repr=False)
    added_at: datetime

    @property
    def factor_id(self) -> Digest:
        """The factor's id in events: SHA-256 of the credential id."""
        return compute_digest(self.credential)


@dataclass(frozen=True, slots=True)
class VerifiedCredential:
    """A new credential whose registration was right in every part."""

    credential: bytes = field(repr=False)
    public_key: bytes = field(repr=False)
    sign_count: int


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an authenticator answers to prove a passkey."""

    credential: bytes = field(repr=False)
    client_data: bytes = field(repr=False)
    authenticator_data: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def parse_binary_member(document: Mapping[str, Json], member: str) -> bytes:
    """Parse a member in base64url without padding. Raises BadRequest, which does not repeat it."""
    text = document.get(member)
    if not isinstance(text, str) or not text:
        raise BadRequest(f"body.{member}: expected base64url without padding")
    try:
        return parse_base64url(text)
    except MalformedError:
        raise BadRequest(f"body.{member}: expected base64url without padding") from None


def read_challenge(client_data: bytes) -> bytes:
    """Read which challenge client data is for; whether it is one of ours is to be looked up.

    Raises:
        PasskeyRefused: no 32 bytes in base64url.
    """
    members = _parse_object(client_data)
    try:
        challenge = parse_binary_member(members, "challenge")
    except BadRequest:
        challenge = b""
    if len(challenge) != CHALLENGE_BYTES:
        raise PasskeyRefused("the client data is for another challenge")
    return challenge


def find_relying_party(origin: str, name: str) -> RelyingParty | None:
    """Find for whom the passkeys of a server are made; None if its host is an address instead of a name."""
    host = urlsplit(origin).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return RelyingParty(origin, host, name)
    return None


def make_creation_options(
    party: RelyingParty, account: AccountId, username: str, challenge: bytes, known: Sequence[Passkey]
) -> dict[str, Json]:
    """Make the PublicKeyCredentialCreationOptionsJSON (WebAuthn Level 3 §5.1) for a new passkey."""
    server = _open_server(party)
    server.timeout = CHALLENGE_LIFE_MS  # type: ignore[assignment]  # declared by its default alone
    options, _ = server.register_begin(
        PublicKeyCredentialUserEntity(id=account.raw, name=username, display_name=username),
        [
            PublicKeyCredentialDescriptor(type=PublicKeyCredentialType.PUBLIC_KEY, id=each.credential)
            for each in known
        ],
        resident_key_requirement=ResidentKeyRequirement.DISCOURAGED,
        user_verification=UserVerificationRequirement.PREFERRED,
        challenge=challenge,
    )
    return cast("dict[str, Json]", _to_json(options.public_key))


def verify_registration(
    party: RelyingParty, challenge: bytes, client_data: bytes, attestation: bytes
) -> VerifiedCredential:
    """Verify the answer of an authenticator that made a passkey.

    Raises:
        PasskeyRefused: some part is malformed, or not what it must be.
    """
    with _refusing():
        collected = _parse_client_data(client_data, challenge)
        made = _parse_attestation(attestation)
        _verify_flags(made.auth_data)
        credential = made.auth_data.credential_data
        if credential is None:
            raise PasskeyRefused("the attestation holds no credential")
        if not 0 < len(credential.credential_id) <= MAX_CREDENTIAL_ID_BYTES:
            raise PasskeyRefused(f"a credential id has 1 to {MAX_CREDENTIAL_ID_BYTES} bytes")
        public_key = verify_public_key(credential.public_key)
        _open_server(party).register_complete(
            _derive_state(challenge),
            RegistrationResponse(
                raw_id=credential.credential_id,
                response=AuthenticatorAttestationResponse(client_data=collected, attestation_object=made),
            ),
        )
        _verify_attestation(made, collected.hash)
    return VerifiedCredential(bytes(credential.credential_id), public_key, made.auth_data.counter)


def verify_assertion(party: RelyingParty, challenge: bytes, passkey: Passkey, assertion: Assertion) -> int:
    """Verify that a passkey's authenticator signed this challenge, and return its new sign counter.

    Raises:
        PasskeyRefused: some part is malformed or wrong, or the counter did not go on: a copy of the key.
    """
    with _refusing():
        collected = _parse_client_data(assertion.client_data, challenge)
        data = AuthenticatorData(_verify_data_size(assertion.authenticator_data))
        _verify_flags(data)
        public_key = _parse_public_key(passkey.public_key)
        known = AttestedCredentialData.create(Aaguid.NONE, passkey.credential, public_key)
        _open_server(party).authenticate_complete(
            _derive_state(challenge),
            [known],
            AuthenticationResponse(
                raw_id=assertion.credential,
                response=AuthenticatorAssertionResponse(
                    client_data=collected, authenticator_data=data, signature=assertion.signature
                ),
            ),
        )
    if not is_counter_ahead(passkey.sign_count, data.counter):
        raise PasskeyRefused("the sign counter did not go on: there may be a copy of this key")
    return data.counter


def is_counter_ahead(known: int, presented: int) -> bool:
    """Whether a sign counter goes on from the one that is known; an authenticator without one sends 0."""
    return presented > known or (presented == 0 and known == 0)


def _parse_public_key(encoded: bytes) -> CoseKey:
    """Read a key that was verified when the passkey was added."""
    return CoseKey.parse(cast("Mapping[int, Any]", cbor.decode(encoded)))


def _open_server(party: RelyingParty) -> Fido2Server:
    logging.getLogger("fido2.server").setLevel(logging.WARNING)  # at INFO it writes credential ids
    server = Fido2Server(
        PublicKeyCredentialRpEntity(id=party.rp_id, name=party.name),
        attestation=AttestationConveyancePreference.NONE,
        verify_origin=lambda origin: origin == party.origin,
    )
    server.allowed_algorithms = [
        PublicKeyCredentialParameters(type=PublicKeyCredentialType.PUBLIC_KEY, alg=algorithm)
        for algorithm in ALGORITHMS
    ]
    return server


def _derive_state(challenge: bytes) -> dict[str, str | None]:
    """What Fido2Server would have us keep between the two halves of a ceremony."""
    return {"challenge": encode_base64url(challenge), "user_verification": None}


def _parse_object(raw: bytes) -> Mapping[str, Json]:
    try:
        members = parse_lenient_json(raw, max_bytes=MAX_CLIENT_DATA_BYTES)
    except MalformedError:
        raise PasskeyRefused("the client data is not JSON") from None
    if not isinstance(members, Mapping):
        raise PasskeyRefused("the client data is no JSON object")
    return members


def _parse_client_data(raw: bytes, challenge: bytes) -> CollectedClientData:
    """Check the types before fido2 computes anything from the members.

    It would take a number for the challenge and reserve that many bytes.
    """
    members = _parse_object(raw)
    if not all(isinstance(members.get(name), str) for name in ("type", "challenge", "origin")):
        raise PasskeyRefused("the client data must say type, challenge and origin")
    if members["challenge"] != encode_base64url(challenge):
        raise PasskeyRefused("the client data is for another challenge")
    if members.get("crossOrigin", False) is not False or "topOrigin" in members:
        raise PasskeyRefused("the client data is for a page inside another page")
    return CollectedClientData(raw)


def _parse_attestation(raw: bytes) -> AttestationObject:
    """Check the types first: a number for the authenticator data would be taken as a size as well.

    fido2 copies what is left of the document for every value, so few values and short ones are let through.
    """
    try:
        members = cbor.decode(verify_cbor_cost(raw, max_values=MAX_ATTESTATION_VALUES))
    except MalformedError:
        raise PasskeyRefused("the attestation is not CBOR, or has more values than one ever has") from None
    expected = {"fmt": str, "authData": bytes, "attStmt": Mapping}
    if not isinstance(members, Mapping) or members.keys() != expected.keys():
        raise PasskeyRefused("the attestation has other members than it must have")
    if not all(isinstance(members[name], kind) for name, kind in expected.items()):
        raise PasskeyRefused("the attestation's members are of other types than they must be")
    _verify_data_size(members["authData"])
    return AttestationObject(raw)


def _verify_data_size(authenticator_data: bytes) -> bytes:
    if len(authenticator_data) > MAX_AUTHENTICATOR_DATA_BYTES:
        raise PasskeyRefused(f"authenticator data has at most {MAX_AUTHENTICATOR_DATA_BYTES} bytes")
    return authenticator_data


def _verify_flags(data: AuthenticatorData) -> None:
    if data.is_backed_up() and not data.is_backup_eligible():
        raise PasskeyRefused("the authenticator's flags contradict each other")


def _verify_attestation(made: AttestationObject, client_data_hash: bytes) -> None:
    """Verify that the statement is one of its format. By whom does not matter: nothing is trusted for it."""
    if made.fmt not in _ATTESTATIONS:
        raise PasskeyRefused("the attestation's format is neither none nor packed")
    _ATTESTATIONS[made.fmt]().verify(made.att_stmt, made.auth_data, client_data_hash)


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except _FAULTS as error:
        raise PasskeyRefused(_describe(error)) from error


def _describe(error: Exception) -> str:
    """Tell which check of fido2's failed; those of its texts that are known repeat nothing of the request."""
    text = str(error)
    return text if text in _KNOWN_TEXTS else "the authenticator's answer is malformed"


_KNOWN_TEXTS: Final = frozenset(
    {
        "Incorrect type in CollectedClientData.",
        "Invalid origin in CollectedClientData.",
        "Wrong RP ID hash in response.",
        "User Present flag not set.",
        "Invalid signature.",
        "Unknown credential ID.",
    }
)


def _to_json(value: object) -> Json:
    """Turn fido2's data classes into plain members."""
    if isinstance(value, Mapping):
        return {str(name): _to_json(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(member) for member in value]
    return str(value) if isinstance(value, str) else cast("Json", value)
