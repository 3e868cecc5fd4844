"""A new device is approved on a trusted one, by its code; the new one asks until it is.

::

    new device                                                     trusted device
    log_in: pending
    wait_until_trusted: shows its code ··· a person carries it ··> approve_device: derives the code of
    reads the stream, again and again                              every device that waits; one fits
    trusted  <-------------- device_trusted, signed with the account key -----------

Spec: devices.md §6, §7.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from solekey.account.device_list import DeviceInfo
from solekey.account.session import Session
from solekey.crypto import UserKey
from solekey.crypto.device_code import DeviceCode
from solekey.errors import (
    ApproverNotTrustedError,
    DeviceCodeMismatchError,
    DeviceGoneError,
    DevicePendingError,
    UnavailableError,
    UnreachableError,
)
from solekey_protocol.events import Stream
from solekey_protocol.streams import DeviceStatus

FIRST_POLL_S: Final = 1.0
POLL_GROWTH: Final = 1.5
LAST_POLL_S: Final = 15.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A device that waits, after a poll.

    Attributes:
        code: what it shows; another one when the account's user key was replaced meanwhile.
        waited_s, next_poll_s: how long it has waited, and when it asks again.
        reachable: whether the server answered this time.
    """

    code: DeviceCode
    waited_s: float
    next_poll_s: float
    reachable: bool


def ignore_waiting(waiting: Waiting) -> None:
    """Take no notice."""
    del waiting


def approve_device(session: Session, user_key: UserKey, code: DeviceCode) -> DeviceInfo:
    """Certify the device that shows this code; the user key is wiped.

    Approving a device that is trusted already changes nothing.

    Raises:
        ApproverNotTrustedError: this device is not trusted itself.
        DeviceCodeMismatchError: no device that waits has this code. Nothing was signed.
        DeviceGoneError: it was revoked.
        WrongUserKeyError, TamperedWrapError: see `Session.unlock`.
        ContentionError: other devices were faster each time.
    """
    with user_key:
        session.sync()
        found = find_device(session, code)
        with session.unlock(user_key) as vault:
            session.devices.trust(found.id, vault.unlocked.keyring.user_key)
    return next(info for info in session.devices.list() if info.id == found.id)


def find_device(session: Session, code: DeviceCode) -> DeviceInfo:
    """Find the device that a code is of, from what this trusted device has verified.

    Raises:
        ApproverNotTrustedError, DeviceCodeMismatchError, DeviceGoneError
    """
    if session.devices.own_status is not DeviceStatus.TRUSTED:
        raise ApproverNotTrustedError("only a trusted device approves others")
    devices = session.devices.list()
    if session.devices.derive_code(session.devices.own_id).account_half != code.account_half:
        raise DeviceCodeMismatchError(
            "the first half is not this account's: mistyped, or that device is shown another account"
        )
    for info in sorted(devices, key=lambda info: info.status is not DeviceStatus.PENDING):
        if session.devices.derive_code(info.id) == code:
            if info.status is DeviceStatus.REVOKED:
                raise DeviceGoneError(f"{info.id} was revoked")
            return info
    raise DeviceCodeMismatchError(
        "no device of this account has this code: mistyped, not logged in yet, or hidden by the server"
    )


def wait_until_trusted(
    session: Session,
    *,
    timeout_s: float | None = None,
    watch: Callable[[Waiting], None] = ignore_waiting,
) -> DeviceInfo:
    """Ask until this device is trusted. It may be stopped at any time, and called again.

    Args:
        session: the new device's.
        timeout_s: how long at most, by a clock that is never set; None: until somebody decides.
        watch: called after every poll that found it waiting.

    Raises:
        DevicePendingError: nobody approved it in time, or it is not enrolled.
        DeviceGoneError: it was revoked instead. DeviceRevokedError: the server says so first.
        SessionEndedError: log in again; then wait again.
        EvidenceError: the server shows less, other, or forged records.
    """
    runtime = session.connection.runtime
    began = runtime.monotonic()
    for pause_s in _iter_pauses():
        with session.streams.lock:
            reachable = _poll(session)
            if (decided := _find_decision(session)) is not None:
                return decided
        waited_s = runtime.monotonic() - began
        left_s = pause_s if timeout_s is None else min(pause_s, timeout_s - waited_s)
        code = session.devices.derive_code(session.devices.own_id)
        watch(Waiting(code, waited_s, max(left_s, 0), reachable))
        if left_s <= 0:
            raise DevicePendingError(f"not approved within {waited_s:.0f} s")
        _log.info("waiting to be trusted for %.0f s; asking again in %.0f s", waited_s, left_s)
        runtime.sleep(left_s)
    raise AssertionError("the pauses never end")


def _iter_pauses() -> Iterator[float]:
    pause_s = FIRST_POLL_S
    while True:
        yield pause_s
        pause_s = min(pause_s * POLL_GROWTH, LAST_POLL_S)


def _poll(session: Session) -> bool:
    try:
        session.streams.sync(Stream.DEVICES)
    except (UnreachableError, UnavailableError):
        return False
    return True


def _find_decision(session: Session) -> DeviceInfo | None:
    """Find out, from the verified stream alone, whether this device was trusted."""
    status = session.devices.own_status
    if status is None:
        raise DevicePendingError("this device is not enrolled: log in again")
    if status is DeviceStatus.REVOKED:
        raise DeviceGoneError("another device revoked this one")
    if status is DeviceStatus.PENDING:
        return None
    return next(info for info in session.devices.list() if info.this_device)
