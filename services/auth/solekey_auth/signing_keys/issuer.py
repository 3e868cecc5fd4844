"""The issuer of access tokens: keeps the signing keys turning, signs what a live session is answered with.

Spec: tokens.md §1.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from solekey_auth.config import AuthConfig
from solekey_auth.limits import AuthLimits
from solekey_auth.sessions.sessions import LiveSession
from solekey_auth.signing_keys.key_ring import KeyRing, SigningKey, SigningSecret, decide_rotation, open_ring
from solekey_auth.transactions import run_transaction
from solekey_eventlog.errors import UnavailableError
from solekey_eventlog.store import EventStore, UnitOfWork
from solekey_eventlog.streams import Streams
from solekey_protocol.event import Event
from solekey_protocol.ids import RAW_ID_BYTES, SYSTEM_ACCOUNT, KeyId
from solekey_protocol.services import TOKEN_AUDIENCES, Service
from solekey_protocol.streams import AuthStream
from solekey_service.access.tokens import AccessClaims
from solekey_service.kernel import Kernel

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    """Access tokens by service, and for how long they are good."""

    tokens: dict[Service, str] = field(repr=False)
    expires_in_s: int


class SigningKeys:
    """The keys that sign access tokens, as the system account's stream has them: for all processes alike."""

    def __init__(
        self, store: EventStore, streams: Streams, secret: SigningSecret, limits: AuthLimits
    ) -> None:
        self._store = store
        self._streams = streams
        self._secret = secret
        self._limits = limits

    def turn(self) -> list[Event]:
        """Announce the first key, or the next one when its time has come; else do nothing."""
        return run_transaction(self._store, self._decide)

    def rotate(self, withdraw: Sequence[KeyId] = ()) -> list[Event]:
        """Announce the next key now, and withdraw keys. A withdrawn one that signs is replaced at once.

        Raises:
            NotFound: no such key, or withdrawn already.
        """
        return run_transaction(self._store, partial(self._decide, wanted=True, withdraw=withdraw))

    def read(self) -> tuple[AuthStream, KeyRing]:
        """Read the stream, and the keys of the secret in use."""
        with self._store.read() as uow:
            return self._fold(uow)

    def find_signer(self, now: datetime) -> SigningKey:
        """Find the key that signs now. Raises UnavailableError."""
        for _ in range(2):
            signer = self.read()[1].find_signer(now, self._limits)
            if signer is not None:
                return signer
            self.turn()  # it was withdrawn, or no process has run for long
        raise UnavailableError("there is no signing key")

    def _fold(self, uow: UnitOfWork) -> tuple[AuthStream, KeyRing]:
        stream = self._streams.fold_parked(uow, SYSTEM_ACCOUNT, AuthStream)
        return stream, open_ring(self._secret, stream)

    def _decide(
        self, uow: UnitOfWork, *, wanted: bool = False, withdraw: Sequence[KeyId] = ()
    ) -> list[Event]:
        stream, ring = self._fold(uow)
        bodies = decide_rotation(ring, stream, uow.now, self._limits, wanted=wanted, withdraw=withdraw)
        if not bodies:
            return []
        events = uow.append(SYSTEM_ACCOUNT, stream.head, *bodies)
        for event in events:
            _log.info("%s: %s", event.body.TYPE, getattr(event.body, "key_id", ""))
        return events


class Issuer:
    """Signs access tokens."""

    def __init__(
        self, kernel: Kernel[AuthConfig], limits: AuthLimits, keys: SigningKeys, *, origin: str
    ) -> None:
        self._kernel = kernel
        self._limits = limits
        self._keys = keys
        self._origin = origin

    def issue(self, live: LiveSession) -> IssuedTokens:
        """Sign one access token for each service."""
        now = self._kernel.clock.now()
        mint = partial(
            mint_tokens, self._keys.find_signer(now), live, issuer=self._origin, limits=self._limits
        )
        tokens = mint(now=now, token_id=self._kernel.random(RAW_ID_BYTES).hex())
        return IssuedTokens(tokens, derive_lifetime_s(live, now, self._limits))


def derive_lifetime_s(live: LiveSession, now: datetime, limits: AuthLimits) -> int:
    """Derive for how many whole seconds tokens minted now are valid; never beyond the session's end."""
    return int(min(limits.access_token, live.expires_at - now).total_seconds())


def mint_tokens(
    key: SigningKey, live: LiveSession, *, issuer: str, now: datetime, limits: AuthLimits, token_id: str
) -> dict[Service, str]:
    """Mint a token for each service that takes one: none can use at another what it was shown."""
    issued_at_s = int(now.timestamp())
    expires_at_s = issued_at_s + max(1, derive_lifetime_s(live, now, limits))
    return {
        audience: key.mint(
            AccessClaims(
                issuer=issuer,
                audience=audience,
                account=live.account,
                device=live.device,
                session=live.session,
                thumbprint=live.thumbprint,
                auth_seq=live.auth_seq,
                issued_at_s=issued_at_s,
                expires_at_s=expires_at_s,
                token_id=f"{token_id}.{audience.value}",
            )
        )
        for audience in TOKEN_AUDIENCES
    }
