"""The open sessions of an account: which there are, on which devices; ending them.

Spec: tokens.md §6.
"""

from dataclasses import dataclass

from solekey.account.device_list import MIN_PREFIX_CHARS
from solekey.account.devices import Devices
from solekey.connection.connection import Connection
from solekey.errors import SessionMissingError
from solekey.streams.exclusive import AccountLock, exclusive
from solekey.streams.streams import Streams
from solekey_protocol.events import Stream
from solekey_protocol.ids import DeviceId, SessionId, Timestamp
from solekey_protocol.services import Service


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session that is open, as the verified events say.

    Attributes:
        id, device: which, and on which device.
        device_name: what that device is called; None if nothing vouches for a name, or it is not enrolled.
        opened_at, expires_at: when its user logged in, and when it ends at the latest.
        proven_at: when its user proved a second factor last.
        current: whether it is the one that asks.
    """

    id: SessionId
    device: DeviceId
    device_name: str | None
    opened_at: Timestamp
    expires_at: Timestamp
    proven_at: Timestamp
    current: bool


@dataclass(frozen=True, slots=True)
class Sessions:
    """The open sessions of one account."""

    _connection: Connection
    _streams: Streams
    _devices: Devices

    @property
    def _lock(self) -> AccountLock:
        return self._streams.lock

    @exclusive
    def list(self) -> "tuple[SessionInfo, ...]":
        """List them, the oldest first."""
        self._streams.sync(Stream.AUTH)
        names = {info.id: info.name for info in self._devices.list()}
        current = self._connection.tokens.session
        found = [
            SessionInfo(
                id=session.session,
                device=session.device,
                device_name=names.get(session.device),
                opened_at=session.opened_at,
                expires_at=session.expires_at,
                proven_at=session.proven_at,
                current=session.session == current,
            )
            for session in self._streams.auth.sessions.values()
        ]
        return tuple(sorted(found, key=lambda info: (info.opened_at, info.id)))

    @exclusive
    def find(self, wanted: str) -> SessionInfo:
        """Find one by its id or its device's id, or by how one begins; names choose nothing.

        Raises:
            SessionMissingError: none, or several.
        """
        long_enough = len(wanted) >= MIN_PREFIX_CHARS
        found = [info for info in self.list() if long_enough and _is_called(info, wanted)]
        if len(found) != 1:
            raise SessionMissingError(f"{len(found)} open sessions have an id or a device {wanted!r}")
        return found[0]

    @exclusive
    def end(self, session: SessionId) -> None:
        """End a session: every service refuses its tokens. The device stays trusted and may log in again.

        Raises:
            NotFoundError: it is not open any more.
            StepUpRequiredError: another session than this one; see `solekey.open`, ``on_step_up``.
        """
        self._connection.call(Service.AUTH, "DELETE", f"sessions/{session}")
        if session == self._connection.tokens.session:
            self._connection.profile.forget_tokens()

    @exclusive
    def end_others(self) -> "tuple[SessionId, ...]":
        """End all sessions but this one.

        Raises:
            StepUpRequiredError: see `solekey.open`, ``on_step_up``.
        """
        others = tuple(info.id for info in self.list() if not info.current)
        for session in others:
            self.end(session)
        return others


def _is_called(info: SessionInfo, wanted: str) -> bool:
    return info.id.startswith(wanted) or info.device.startswith(wanted)
