"""Sessions and factors of an account, as the auth service states them. Spec: tokens.md §6."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from solekey_protocol.errors import TransitionError
from solekey_protocol.event import Event
from solekey_protocol.events import auth as events
from solekey_protocol.ids import DeviceId, Digest, KeyId, SessionId, Timestamp
from solekey_protocol.services import Stream
from solekey_protocol.streams.fold import Fold


@dataclass(frozen=True, slots=True)
class Session:
    """A session that has not ended.

    Attributes:
        session: its id.
        device: whose it is.
        opened_at: when its user logged in.
        expires_at: when it ends at the latest.
        proven_at: when its user proved a second factor last.
        generation: how many refresh tokens were issued.
    """

    session: SessionId
    device: DeviceId
    opened_at: Timestamp
    expires_at: Timestamp
    proven_at: Timestamp
    generation: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthStream(Fold):
    """The folded ``auth`` stream of one account. An id is opened once; ``closed`` is for ever."""

    STREAM = Stream.AUTH

    credential_version: int = 0
    login_key_at: int = 0
    """Where the login key in force was put in force: a registration or a change."""
    factors: Mapping[Digest, events.Factor] = field(default_factory=dict)
    enrolled_at: Mapping[Digest, Timestamp] = field(default_factory=dict)
    """When each of the factors was enrolled."""
    sessions: Mapping[SessionId, Session] = field(default_factory=dict)
    opened: frozenset[SessionId] = frozenset()
    closed: bool = False
    signing_keys: Mapping[KeyId, events.SigningKeyPublished] = field(default_factory=dict)
    withdrawn_keys: frozenset[KeyId] = frozenset()

    def _transition(self, event: Event) -> Self:
        if self.closed:
            raise TransitionError(f"{event.body.TYPE} follows the end of the account")
        match event.body:
            case events.SessionOpened() as body:
                return self._open(body, event.time)
            case events.SessionRefreshed(session, generation):
                return self._refresh(session, generation)
            case events.SessionSteppedUp(session):
                return self._step_up(session, event.time)
            case events.SessionEnded(session):
                return replace(self, sessions={k: v for k, v in self.sessions.items() if k != session})
            case events.AccountClosed():
                return replace(self, sessions={}, factors={}, enrolled_at={}, closed=True)
            case events.RefreshReuseDetected(session, generation):
                return self._detect_reuse(session, generation)
            case events.LoginFailed() | events.RecoveryCodeUsed():
                return self
            case _:
                return self._transition_of_keys(event)

    def _transition_of_keys(self, event: Event) -> Self:
        match event.body:
            case events.AccountRegistered(version) | events.LoginKeyChanged(version):
                return replace(self, credential_version=version, login_key_at=event.seq)
            case events.MfaEnrolled(factor, factor_id):
                return replace(
                    self,
                    factors={**self.factors, factor_id: factor},
                    enrolled_at={**self.enrolled_at, factor_id: event.time},
                )
            case events.MfaRemoved(_, factor_id):
                return replace(
                    self,
                    factors={k: v for k, v in self.factors.items() if k != factor_id},
                    enrolled_at={k: v for k, v in self.enrolled_at.items() if k != factor_id},
                )
            case events.SigningKeyPublished() as published:
                return self._publish(published)
            case events.SigningKeyWithdrawn(key_id):
                kept = {k: v for k, v in self.signing_keys.items() if k != key_id}
                return replace(self, signing_keys=kept, withdrawn_keys=self.withdrawn_keys | {key_id})
            case body:
                raise TransitionError(f"{body.TYPE} does not belong to the auth stream")

    def _open(self, body: events.SessionOpened, at: Timestamp) -> Self:
        if body.session in self.opened:
            raise TransitionError(f"{body.session} was opened before")
        opened = Session(body.session, body.device, at, body.expires_at, proven_at=at)
        return replace(
            self,
            sessions={**self.sessions, body.session: opened},
            opened=self.opened | {body.session},
        )

    def _refresh(self, session: SessionId, generation: int) -> Self:
        current = self.sessions.get(session)
        if current is None or generation != current.generation + 1:
            raise TransitionError(f"{session}: generation {generation} does not follow")
        return replace(self, sessions={**self.sessions, session: replace(current, generation=generation)})

    def _detect_reuse(self, session: SessionId, generation: int) -> Self:
        current = self.sessions.get(session)
        if current is None or generation > current.generation:
            raise TransitionError(
                f"{session}: nobody holds a token of generation {generation} of an open session"
            )
        return self

    def _step_up(self, session: SessionId, at: Timestamp) -> Self:
        current = self.sessions.get(session)
        if current is None:
            raise TransitionError(f"{session} is not open")
        return replace(self, sessions={**self.sessions, session: replace(current, proven_at=at)})

    def _publish(self, body: events.SigningKeyPublished) -> Self:
        if body.key_id in self.withdrawn_keys:
            raise TransitionError(f"signing key {body.key_id} was withdrawn")
        return replace(self, signing_keys={**self.signing_keys, body.key_id: body})
