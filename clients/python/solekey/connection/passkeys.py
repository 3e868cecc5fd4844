"""Passkeys: the client's half of the WebAuthn ceremonies, whatever device makes the signatures.

How a command uses it::

    device = open_security_key(ask=ask_pin, tell=click.echo)           # connection.security_keys
    request = parse_creation_options(answer, origin)                   # POST …/factors/passkeys/options
    members = encode_passkey(device.make_credential(request), "desk")  # POST …/factors/passkeys
    factor = prove_passkey(device, origin, challenge, credentials)     # member of a login or step-up

`challenge` and `credentials` are those of ``POST /v1/auth/passkey-options`` (with the login's challenge) and
of ``POST /v1/auth/step-up/challenges``, as they stand in the answers. A server never chooses for whom a
passkey is used: this module takes that from the address that the profile is pinned to.

Spec: factors.md §3.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar
from urllib.parse import urlsplit

from solekey.errors import BadAnswerError, PasskeyMissingError, PasskeyUnavailableError
from solekey_protocol.encoding import Json, encode_base64url, parse_base64url
from solekey_protocol.errors import MalformedError

CHALLENGE_BYTES: Final = 32
MAX_CREDENTIAL_ID_BYTES: Final = 1023  # WebAuthn L2 §4
MAX_USER_ID_BYTES: Final = 64
MAX_PASSKEYS: Final = 64  # more than any server may keep for an account
_HEX: Final = re.compile(rf"[0-9a-f]{{{2 * CHALLENGE_BYTES}}}", re.ASCII)

T = TypeVar("T", str, int)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreationRequest:
    """What a device is asked when a passkey is added.

    Attributes:
        origin: the server's address, which the device's signature names.
        rp_id: the host of the origin; the passkey works for no other.
        rp_name: what the device may show as the server's name.
        user_id: the account, opaque.
        user_name: what the device may show as the user's name.
        challenge: the server's 32 bytes.
        algorithms: COSE numbers, the most wanted first.
        exclude: credential ids that the account has already.
        resident: keep the passkey on the device itself, where its memory is small.
    """

    origin: str
    rp_id: str
    rp_name: str
    user_id: bytes
    user_name: str
    challenge: bytes
    algorithms: tuple[int, ...]
    exclude: tuple[bytes, ...] = ()
    resident: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionRequest:
    """What a device is asked when a passkey is used: one of these credentials, over this challenge."""

    origin: str
    rp_id: str
    challenge: bytes
    credentials: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """What a device answers: the client data that it signed for, and its attestation object."""

    client_data: bytes
    attestation: bytes


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a device answers: which passkey, over which client data, in which state, and the signature."""

    credential: bytes
    client_data: bytes
    authenticator_data: bytes
    signature: bytes


class PasskeyDevice(Protocol):
    """Something that keeps passkeys: a security key, or a stand-in for one."""

    def make_credential(self, request: CreationRequest) -> NewPasskey:
        """Make a passkey, once a person has touched the device.

        Raises:
            PasskeyExistsError: it has one of `exclude`.
            PasskeyTimeoutError, PasskeyPinError, PasskeyError: see `solekey.errors.passkeys`.
        """
        ...

    def get_assertion(self, request: AssertionRequest) -> Assertion:
        """Sign with one of the credentials, once a person has touched the device.

        Raises:
            PasskeyMissingError: it has none of them.
            PasskeyTimeoutError, PasskeyPinError, PasskeyError: see `solekey.errors.passkeys`.
        """
        ...


def derive_rp_id(origin: str) -> str:
    """Derive for whom passkeys of a server are: its host, which must be a name.

    Raises:
        PasskeyUnavailableError: an IP address; WebAuthn knows host names only.
    """
    host = urlsplit(origin).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if host:
            return host
    raise PasskeyUnavailableError(
        f"{origin} is not reached by a host name, and passkeys are bound to one",
        "Run the server under a name (--origin https://localhost:PORT will do) and log in to it there.",
    )


def parse_creation_options(
    answer: Mapping[str, Json], origin: str, *, resident: bool = False
) -> CreationRequest:
    """Parse the answer to ``POST /v1/auth/factors/passkeys/options``.

    Raises:
        BadAnswerError: not what the API says, or a passkey for another host than the one that is pinned.
        PasskeyUnavailableError: see `derive_rp_id`.
    """
    rp_id = derive_rp_id(origin)
    options = _entry(answer.get("options"))
    rp, user = _entry(options.get("rp")), _entry(options.get("user"))
    if _member(rp, "id", str) != rp_id:
        raise BadAnswerError("the server asks for a passkey of another host than its own")
    return CreationRequest(
        origin=origin,
        rp_id=rp_id,
        rp_name=_member(rp, "name", str),
        user_id=_decode(_member(user, "id", str), MAX_USER_ID_BYTES),
        user_name=_member(user, "name", str),
        challenge=_parse_challenge(_decode(_member(options, "challenge", str), CHALLENGE_BYTES)),
        algorithms=tuple(_member(each, "alg", int) for each in _entries(options.get("pubKeyCredParams"))),
        exclude=tuple(
            _decode(_member(each, "id", str), MAX_CREDENTIAL_ID_BYTES)
            for each in _entries(options.get("excludeCredentials"))
        ),
        resident=resident,
    )


def encode_passkey(made: NewPasskey, name: str) -> dict[str, Json]:
    """Encode the members of ``POST /v1/auth/factors/passkeys``.

    `name` is what its user calls it: 1 to 64 characters, for the list of factors.
    """
    return {
        "name": name,
        "client_data": encode_base64url(made.client_data),
        "attestation": encode_base64url(made.attestation),
    }


def prove_passkey(device: PasskeyDevice, origin: str, challenge: str, credentials: Json) -> dict[str, Json]:
    """Prove a passkey and return the member ``factor`` of a login or a step-up.

    Raises:
        PasskeyMissingError: the account has no passkey, or none that this device has.
        BadAnswerError: challenge or credentials are not what the API says.
        PasskeyError: see `PasskeyDevice.get_assertion`.
    """
    request = parse_assertion_options(origin, challenge, credentials)
    return encode_assertion(device.get_assertion(request))


def parse_assertion_options(origin: str, challenge: str, credentials: Json) -> AssertionRequest:
    """Parse a challenge (hex) and credential ids (base64url) as they stand in an answer.

    Raises:
        PasskeyMissingError, PasskeyUnavailableError, BadAnswerError: see `prove_passkey`.
    """
    if not isinstance(challenge, str) or not _HEX.fullmatch(challenge):
        raise BadAnswerError("the challenge is not 32 bytes in hex")
    if not isinstance(credentials, list | tuple) or len(credentials) > MAX_PASSKEYS:
        raise BadAnswerError("the passkeys are not a list of credential ids")
    ids = tuple(_decode(each, MAX_CREDENTIAL_ID_BYTES) for each in credentials)
    if not ids:
        raise PasskeyMissingError("the account has no passkey")
    rp_id = derive_rp_id(origin)
    return AssertionRequest(origin=origin, rp_id=rp_id, challenge=bytes.fromhex(challenge), credentials=ids)


def encode_assertion(assertion: Assertion) -> dict[str, Json]:
    """Encode the member ``factor``."""
    return {
        "kind": "passkey",
        "credential": encode_base64url(assertion.credential),
        "client_data": encode_base64url(assertion.client_data),
        "authenticator_data": encode_base64url(assertion.authenticator_data),
        "signature": encode_base64url(assertion.signature),
    }


def _parse_challenge(challenge: bytes) -> bytes:
    if len(challenge) != CHALLENGE_BYTES:
        raise BadAnswerError(f"the challenge is not {CHALLENGE_BYTES} bytes")
    return challenge


def _entry(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise BadAnswerError("the options of a passkey are not what the API says")
    return value


def _entries(value: Json) -> Sequence[Mapping[str, Json]]:
    if not isinstance(value, list | tuple):
        raise BadAnswerError("the options of a passkey are not what the API says")
    return [_entry(each) for each in value]


def _member(members: Mapping[str, Json], name: str, kind: type[T]) -> T:
    value = members.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BadAnswerError(f"the options of a passkey have no proper {name}")
    return value


def _decode(text: Json, max_bytes: int) -> bytes:
    if not isinstance(text, str) or len(text) > 2 * max_bytes:
        raise BadAnswerError("the options of a passkey hold no proper base64url")
    try:
        raw = parse_base64url(text)
    except MalformedError as error:
        raise BadAnswerError("the options of a passkey hold no proper base64url") from error
    if not 0 < len(raw) <= max_bytes:
        raise BadAnswerError(f"the options of a passkey hold a value that is not 1 to {max_bytes} bytes")
    return raw
