"""The issuer of access tokens: announces its signing key, signs what a live session is answered with.

Spec: authentication.md §4.1.
"""

import logging
from dataclasses import dataclass, field
from functools import partial

from solekey_auth import commands as asked
from solekey_auth.config import AuthConfig
from solekey_auth.domain import decide
from solekey_auth.races import run_transaction
from solekey_auth.sessions import LiveSession, read_state
from solekey_auth.signing_key import TokenSubject, derive_lifetime_s, mint_tokens
from solekey_eventlog.kernel import Kernel
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.events.body import Stream
from solekey_protocol.ids import RAW_ID_BYTES, SYSTEM_ACCOUNT

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    """Access tokens by service, and for how long they are good."""

    tokens: dict[Stream, str] = field(repr=False)
    expires_in_s: int


class Issuer:
    """Signs access tokens with the operator's signing key."""

    def __init__(self, kernel: Kernel, config: AuthConfig) -> None:
        self._kernel = kernel
        self._origin = config.origin
        self._limits = config.limits
        self._signing_key = config.open_signing_key()

    def announce(self) -> None:
        """Publish the signing key when it is new, or half of its announced time is over; else do nothing."""
        run_transaction(self._kernel.store, self._announce)

    def issue(self, live: LiveSession) -> IssuedTokens:
        """Sign one access token for each service."""
        now = self._kernel.clock.now()
        subject = TokenSubject(
            account=live.account,
            device=live.device,
            session=live.session,
            thumbprint=live.thumbprint,
            auth_seq=live.auth_seq,
            expires_at=live.expires_at,
        )
        mint = partial(mint_tokens, self._signing_key, subject, issuer=self._origin, limits=self._limits)
        tokens = mint(now=now, token_id=self._kernel.random(RAW_ID_BYTES).hex())
        return IssuedTokens(tokens, derive_lifetime_s(subject, now, self._limits))

    def _announce(self, uow: UnitOfWork) -> None:
        state = read_state(self._kernel, uow, SYSTEM_ACCOUNT)
        command = asked.PublishSigningKey(self._signing_key.key_id, self._signing_key.public_key)
        bodies = decide(state, command, uow.now, self._limits)
        if bodies:
            uow.append(SYSTEM_ACCOUNT, state.auth.head, *bodies)
            _log.info("signing key %s announced", self._signing_key.key_id)
