"""The rules of the auth stream: each refused step stands beside the same step that is accepted."""

import pytest

from solekey_protocol.errors import ProtocolError
from solekey_protocol.event import encode_event
from solekey_protocol.events import auth, rotation
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import SessionId, Timestamp
from solekey_protocol.streams import AuthStream
from tests.support.protocol.keyring import ACCOUNT, LAPTOP, digest
from tests.unit.protocol.streams.steps import extend

FACTOR_ID = digest("totp salt")


def test_sessions_open_refresh_and_end():
    session = SessionId.from_raw(b"session of tests")
    until = Timestamp("2026-11-23T23:00:00.000Z")
    stream = AuthStream.start(ACCOUNT)
    for body in (
        auth.AccountRegistered(1),
        auth.MfaEnrolled(auth.Factor.TOTP, FACTOR_ID),
        auth.SessionOpened(session, LAPTOP.device, auth.Factor.TOTP, until),
        auth.SessionRefreshed(session, 2),
    ):
        stream = extend(stream, body)
    assert stream.sessions[session].generation == 2
    assert stream.sessions[session].proven_at == stream.sessions[session].opened_at
    later = encode_event(
        auth.SessionSteppedUp(session, auth.Factor.PASSKEY), account=ACCOUNT, after=stream.head, time=until
    )
    assert stream.evolve(later).sessions[session].proven_at == until
    for refused in (
        auth.SessionRefreshed(session, 2),
        auth.SessionOpened(session, LAPTOP.device, auth.Factor.TOTP, until),
        rotation.RotationDue(RotationKind.USER_KEY, until),
    ):
        with pytest.raises(ProtocolError):
            extend(stream, refused)
    ended = extend(stream, auth.SessionEnded(session, auth.SessionEnd.LOGOUT))
    assert ended.sessions == {}
    assert extend(stream, auth.AccountClosed(1)).closed
