"""Security keys at this computer, by USB or NFC: `PasskeyDevice` over fido2 (``solekey[passkey]``).

fido2 is imported where it is used and not before: only who has a key waits for it.

Spec: factors.md §3.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from solekey.connection.passkeys import Assertion, AssertionRequest, CreationRequest, NewPasskey, derive_rp_id
from solekey.errors import (
    PasskeyError,
    PasskeyExistsError,
    PasskeyMissingError,
    PasskeyPinError,
    PasskeyTimeoutError,
    PasskeyUnavailableError,
)

if TYPE_CHECKING:
    from fido2.client import ClientError, Fido2Client
    from fido2.ctap import CtapDevice
    from fido2.webauthn import AttestationObject, PublicKeyCredentialDescriptor, UserVerificationRequirement

Ask = Callable[[str], str]
Tell = Callable[[str], None]

TIMEOUT_MS: Final = 60_000
"""How long a person has to touch the key."""
_AAGUID: Final = slice(37, 53)  # after rpIdHash (32), flags (1), signCount (4)
_log = logging.getLogger(__name__)


def open_security_key(ask: Ask, tell: Tell) -> "SecurityKey":
    """Find the one security key that is connected.

    Args:
        ask: shows a question to the person and returns what was typed: the key's PIN.
        tell: shows a line to the person: that the key waits for a touch.

    Raises:
        PasskeyUnavailableError: the extra is not installed, or not exactly one key is connected.
    """
    devices = find_devices()
    if not devices:
        raise PasskeyUnavailableError(
            "no security key was found",
            "Connect one by USB or lay it on the NFC reader (`pip install pyscard` for a reader). On Linux, "
            "its device must be readable for you: install the rules of your distribution (libfido2).",
        )
    if len(devices) > 1:
        for device in devices:
            device.close()
        raise PasskeyUnavailableError(
            f"{len(devices)} security keys are connected", "Leave the one connected that is meant."
        )
    return SecurityKey(devices[0], ask, tell)


def find_devices() -> "list[CtapDevice]":
    """Find what speaks CTAP by USB, and by NFC where pyscard is installed.

    Raises:
        PasskeyUnavailableError: the extra is not installed.
    """
    try:
        from fido2.hid import CtapHidDevice
    except ImportError as error:
        raise PasskeyUnavailableError(
            "security keys need a package", "Install it: pip install 'solekey[passkey]'."
        ) from error
    return [*_list(CtapHidDevice.list_devices), *_find_nfc()]


def _find_nfc() -> "list[CtapDevice]":
    try:
        from fido2.pcsc import CtapPcscDevice
    except ImportError:  # no pyscard: no readers
        return []
    return _list(CtapPcscDevice.list_devices)


def _list(find: "Callable[[], Iterator[CtapDevice]]") -> "list[CtapDevice]":
    """A key that is held by another program, or a reader without its service, is no key for us."""
    found: list[CtapDevice] = []
    try:
        found.extend(find())
    except Exception:  # noqa: BLE001  # each system has its own errors; what was found before counts
        _log.debug("listing security keys ended early", exc_info=True)
    return found


class SecurityKey:
    """A connected security key: a `PasskeyDevice`."""

    def __init__(self, device: "CtapDevice", ask: Ask, tell: Tell) -> None:
        self._device = device
        self._ask = ask
        self._tell = tell

    def close(self) -> None:
        """Let the key go."""
        self._device.close()

    def make_credential(self, request: CreationRequest) -> NewPasskey:
        """See PasskeyDevice."""
        from fido2 import webauthn

        client = self._open(request.origin)
        options = webauthn.PublicKeyCredentialCreationOptions(
            rp=webauthn.PublicKeyCredentialRpEntity(id=request.rp_id, name=request.rp_name),
            user=webauthn.PublicKeyCredentialUserEntity(id=request.user_id, name=request.user_name),
            challenge=request.challenge,
            pub_key_cred_params=[
                webauthn.PublicKeyCredentialParameters(
                    type=webauthn.PublicKeyCredentialType.PUBLIC_KEY, alg=algorithm
                )
                for algorithm in request.algorithms
            ],
            timeout=TIMEOUT_MS,
            exclude_credentials=_describe(request.exclude),
            authenticator_selection=webauthn.AuthenticatorSelectionCriteria(
                resident_key=webauthn.ResidentKeyRequirement.REQUIRED
                if request.resident
                else webauthn.ResidentKeyRequirement.DISCOURAGED,
                user_verification=_choose_verification(client),
            ),
            attestation=webauthn.AttestationConveyancePreference.NONE,
        )
        with _translate(creating=True):
            made = client.make_credential(options).response
        return NewPasskey(bytes(made.client_data), _strip_attestation(made.attestation_object))

    def get_assertion(self, request: AssertionRequest) -> Assertion:
        """See PasskeyDevice."""
        from fido2 import webauthn

        client = self._open(request.origin)
        options = webauthn.PublicKeyCredentialRequestOptions(
            challenge=request.challenge,
            timeout=TIMEOUT_MS,
            rp_id=request.rp_id,
            allow_credentials=_describe(request.credentials),
            user_verification=_choose_verification(client),
        )
        with _translate(creating=False):
            answer = client.get_assertion(options).get_response(0)
        signed = answer.response
        return Assertion(
            answer.raw_id, bytes(signed.client_data), bytes(signed.authenticator_data), signed.signature
        )

    def _open(self, origin: str) -> "Fido2Client":
        from fido2.client import DefaultClientDataCollector, Fido2Client, UserInteraction

        ask, tell = self._ask, self._tell

        class Person(UserInteraction):
            def prompt_up(self) -> None:
                tell("Touch the security key.")

            def request_pin(self, permissions: object, rp_id: str | None) -> str | None:  # noqa: ARG002  # fido2's
                return ask("PIN of the security key")

        def is_own(rp_id: str, of_origin: str) -> bool:
            return rp_id == derive_rp_id(of_origin)  # fido2's own rule would allow the parent domain

        with _translate(creating=False):
            return Fido2Client(self._device, DefaultClientDataCollector(origin, is_own), Person())


def _describe(credentials: tuple[bytes, ...]) -> "list[PublicKeyCredentialDescriptor]":
    from fido2 import webauthn

    kind = webauthn.PublicKeyCredentialType.PUBLIC_KEY
    return [webauthn.PublicKeyCredentialDescriptor(type=kind, id=each) for each in credentials]


def _choose_verification(client: "Fido2Client") -> "UserVerificationRequirement":
    """Prefer a PIN or a fingerprint where the key has one set up.

    fido2 refuses "preferred" at a key that could have a PIN and has none; WebAuthn would go on without.
    """
    from fido2.webauthn import UserVerificationRequirement

    if any(client.info.options.get(way) for way in ("uv", "clientPin", "bioEnroll")):
        return UserVerificationRequirement.PREFERRED
    return UserVerificationRequirement.DISCOURAGED


def _strip_attestation(attestation: "AttestationObject") -> bytes:
    """Take out what tells the make and batch of the key, as a browser does for attestation "none"."""
    from fido2.webauthn import AttestationObject, AuthenticatorData

    raw = bytearray(attestation.auth_data)
    raw[_AAGUID] = bytes(16)
    return bytes(AttestationObject.create("none", AuthenticatorData(bytes(raw)), {}))


@contextmanager
def _translate(*, creating: bool) -> Iterator[None]:
    from fido2.client import ClientError
    from fido2.ctap import CtapError

    try:
        yield
    except ClientError as error:
        raise _name(error, creating=creating) from error
    except (CtapError, OSError, ValueError) as error:
        raise PasskeyError(f"the security key did not answer as it should: {error}") from error


def _name(error: "ClientError", *, creating: bool) -> PasskeyError:
    from fido2.client import ClientError, PinRequiredError
    from fido2.ctap import CtapError

    cause = error.cause.code if isinstance(error.cause, CtapError) else None
    refused = CtapError.ERR
    if isinstance(error, PinRequiredError):
        return PasskeyPinError("the security key asks for its PIN, and none was given")
    if cause in (refused.PIN_INVALID, refused.PIN_AUTH_INVALID):
        return PasskeyPinError("the PIN of the security key is wrong")
    if cause in (refused.PIN_BLOCKED, refused.PIN_AUTH_BLOCKED):
        return PasskeyPinError("the PIN of the security key is locked")
    if error.code == ClientError.ERR.DEVICE_INELIGIBLE:
        if creating:
            return PasskeyExistsError("this security key has a passkey of this account already")
        return PasskeyMissingError("this security key has no passkey of this account")
    if error.code == ClientError.ERR.TIMEOUT:
        return PasskeyTimeoutError("the security key was not touched in time")
    return PasskeyError(f"the security key refused: {error!r}")
