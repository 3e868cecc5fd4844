"""What a device remembers of the login key, and what another salt must be justified by. Spec: keys.md §6.3.

Before there is a session nothing can be verified: a login uses the salt that the server sends, bound to the
user and the server, and looks afterwards for the event that explains another one. Within a session it looks
first.
"""

from solekey.connection.connection import Connection
from solekey.connection.login import LoggedIn, LoginChallenge
from solekey.crypto import KnownKdf
from solekey.errors import BadAnswerError, KdfSaltError
from solekey.streams.streams import Streams
from solekey_protocol.events import Stream
from solekey_protocol.events.auth import LoginKeyChanged, SessionOpened
from solekey_protocol.ids import SessionId


def remember(connection: Connection, streams: Streams, logged_in: LoggedIn) -> None:
    """Remember the login key of a login, once the streams are verified.

    Raises:
        KdfSaltError: the salt is another one than before, and no event says that the login key was changed.
            The session is given up.
    """
    challenge, profile = logged_in.challenge, connection.profile
    if challenge is None:
        return
    try:
        _verify_change(streams, challenge, profile.kdf_known)
        opened = _find_opening(streams, logged_in.tokens.session)
    except (KdfSaltError, BadAnswerError):
        profile.forget_tokens()
        raise
    origin = challenge.identity.origin
    profile.note_kdf(KnownKdf(challenge.kdf.strength, challenge.kdf.salt, origin, opened))


def fetch_challenge(connection: Connection) -> LoginChallenge:
    """Fetch a challenge for the login key of the account that is logged in here.

    Raises:
        KdfSaltError: the salt is another one than before, and no event says that the login key was changed.
    """
    profile = connection.profile
    challenge = connection.logins.fetch_challenge(profile.details.username, profile.kdf_known)
    if challenge.is_changed:
        streams = Streams(connection)
        streams.sync(Stream.AUTH)
        _verify_change(streams, challenge, profile.kdf_known)
    return challenge


def _verify_change(streams: Streams, challenge: LoginChallenge, known: KnownKdf | None) -> None:
    if known is None or not challenge.is_changed:
        return
    newer = (event for event in reversed(streams.events(Stream.AUTH)) if event.seq > known.seq)
    if not any(isinstance(event.body, LoginKeyChanged) for event in newer):
        raise KdfSaltError("the server sent another salt for the password, and no event says why")


def _find_opening(streams: Streams, session: SessionId) -> int:
    """Find where the auth stream says that this session was opened. Raises BadAnswerError."""
    for event in reversed(streams.events(Stream.AUTH)):
        if isinstance(event.body, SessionOpened) and event.body.session == session:
            return event.seq
    raise BadAnswerError("the server opened a session that the account's log does not show")
