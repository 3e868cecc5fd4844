"""The keys that sign access tokens, and when each is announced, signs, and is withdrawn.

Spec: tokens.md §2. `SigningKeys` reads and appends; all else here takes stream and time as arguments.

The keys of one secret have generations 0, 1, 2, …. A key is announced a while before it signs, so that every
service knows it by then, and accepted a while after the next one has taken over::

    announced --lead--> signs --age--> the next one signs --overlap--> not accepted any more
    (at any time) withdrawn: never accepted from that moment
"""

import hashlib
import hmac
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from solekey_auth.limits import SECRET_BYTES, AuthLimits
from solekey_eventlog.errors import UnavailableError
from solekey_eventlog.secret import Redacted
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.event import Event
from solekey_protocol.events import auth as events
from solekey_protocol.events.body import Body
from solekey_protocol.ids import SYSTEM_ACCOUNT, KeyId, PublicKey, Timestamp, derive_signing_key_id
from solekey_protocol.streams import AuthStream
from solekey_service.access.tokens import AccessClaims, mint_access_token
from solekey_service.kernel import Kernel
from solekey_service.refusals import NotFound
from solekey_service.transaction import in_transaction

_log = logging.getLogger(__name__)

KEY_CONTEXT = b"solekey/v1/signing-key\x00"


class SigningKey(Redacted):
    """An Ed25519 seed (RFC 8032) with its public name."""

    __slots__ = ("_seed", "key_id", "public_key")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SECRET_BYTES:
            raise ValueError(f"a signing key's seed is {SECRET_BYTES} bytes")
        self._seed = seed
        public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        self.public_key = PublicKey(public.hex())
        self.key_id = derive_signing_key_id(self.public_key)

    def mint(self, claims: AccessClaims) -> str:
        """Sign one access token."""
        return mint_access_token(claims, key_id=self.key_id, private_key=self._seed)


class SigningSecret(Redacted):
    """The operator's 32 secret bytes that signing keys derive from."""

    __slots__ = ("_keys", "_secret")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SECRET_BYTES:
            raise ValueError(f"the signing secret is {SECRET_BYTES} bytes")
        self._secret = secret
        self._keys: dict[int, SigningKey] = {}

    def derive_key(self, generation: int) -> SigningKey:
        """Derive the key of a generation, from 0: its seed is HMAC-SHA256 over the label and the number.

        *Wire format* of the message: ``"solekey/v1/signing-key" ‖ 0x00 ‖ u32(generation)``.
        """
        if generation not in self._keys:
            message = KEY_CONTEXT + generation.to_bytes(4, "big")
            self._keys[generation] = SigningKey(hmac.new(self._secret, message, hashlib.sha256).digest())
        return self._keys[generation]


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of one secret, as far as they were announced, and the one that comes next."""

    keys: Sequence[SigningKey]
    next_key: SigningKey
    published: Sequence[events.SigningKeyPublished] = field(default=())
    """The announcements of those that were not withdrawn, in the order of their generations."""

    def find_signer(self, now: datetime, limits: AuthLimits) -> SigningKey | None:
        """Find the key that signs now: the latest that may; None when a new one must be announced first."""
        usable = [
            each
            for each in self.published
            if each.not_before.datetime <= now < each.not_after.datetime - limits.access_token
        ]
        if not usable:
            return None
        latest = max(usable, key=lambda each: each.not_before)
        return next(key for key in self.keys if key.key_id == latest.key_id)

    def find_pending(self, now: datetime) -> events.SigningKeyPublished | None:
        """Find a key that is announced and does not sign yet."""
        return next((each for each in self.published if each.not_before.datetime > now), None)

    def without(self, withdrawn: Collection[KeyId]) -> "KeyRing":
        """The ring once these keys are withdrawn."""
        kept = tuple(each for each in self.published if each.key_id not in withdrawn)
        return replace(self, published=kept)


def open_ring(secret: SigningSecret, stream: AuthStream) -> KeyRing:
    """Open the ring of a secret: its keys that the stream knows, each generation after the one before."""
    keys: list[SigningKey] = []
    known = stream.signing_keys.keys() | stream.withdrawn_keys
    while (key := secret.derive_key(len(keys))).key_id in known:
        keys.append(key)
    published = tuple(stream.signing_keys[each.key_id] for each in keys if each.key_id in stream.signing_keys)
    return KeyRing(tuple(keys), key, published)


def decide_rotation(
    ring: KeyRing,
    stream: AuthStream,
    now: datetime,
    limits: AuthLimits,
    *,
    wanted: bool = False,
    withdraw: Sequence[KeyId] = (),
) -> list[Body]:
    """Decide which keys are withdrawn and which is announced; none when nothing is to do.

    Args:
        ring: the keys of the secret in use.
        stream: the system account's auth stream: also keys of secrets that were in use before.
        now: the service's clock.
        limits: how long a key is announced, signs, and is accepted.
        wanted: whether a new key is to take over although the current one is young.
        withdraw: keys of which no token is accepted from now on.

    Raises:
        NotFound: there is no such key to withdraw.
    """
    unknown = [key_id for key_id in withdraw if key_id not in stream.signing_keys]
    if unknown:
        raise NotFound(f"signing key {unknown[0]}: not announced, or withdrawn already")
    bodies: list[Body] = [events.SigningKeyWithdrawn(key_id) for key_id in dict.fromkeys(withdraw)]
    kept = ring.without(withdraw)
    signer = kept.find_signer(now, limits)
    if signer is None:
        return [*bodies, _publish(ring.next_key, now - limits.clock_skew, limits)]
    current = stream.signing_keys[signer.key_id]
    takes_over_at = now + limits.signing_key_lead
    due = current.not_before.datetime + limits.signing_key <= takes_over_at
    if (due or wanted) and kept.find_pending(now) is None:
        bodies.append(_publish(ring.next_key, takes_over_at, limits))
    return bodies


def _publish(key: SigningKey, not_before: datetime, limits: AuthLimits) -> events.SigningKeyPublished:
    not_before = not_before.replace(microsecond=0)  # a token says whole seconds
    not_after = not_before + limits.signing_key + limits.signing_key_overlap
    return events.SigningKeyPublished(
        key.key_id, key.public_key, Timestamp.from_datetime(not_before), Timestamp.from_datetime(not_after)
    )


class SigningKeys:
    """The signing keys as the system account's stream has them: the same for every process."""

    def __init__(self, kernel: Kernel[Any], secret: SigningSecret, limits: AuthLimits) -> None:
        self.limits = limits
        self.clock = kernel.clock
        self._kernel = kernel
        self._secret = secret

    def turn(self) -> list[Event]:
        """Announce the first key, or the next one when its time has come; else do nothing."""
        return self._rotate()

    def rotate(self, withdraw: Sequence[KeyId] = ()) -> list[Event]:
        """Announce the next key now, and withdraw keys. A withdrawn one that signs is replaced at once.

        Raises:
            NotFound: no such key, or withdrawn already.
        """
        return self._rotate(wanted=True, withdraw=withdraw)

    def read(self) -> tuple[AuthStream, KeyRing]:
        """Read the stream, and the keys of the secret in use."""
        with self._kernel.store.read() as uow:
            return self._fold(uow)

    def find_signer(self, now: datetime) -> SigningKey:
        """Find the key that signs now. Raises UnavailableError."""
        for _ in range(2):
            signer = self.read()[1].find_signer(now, self.limits)
            if signer is not None:
                return signer
            self.turn()  # it was withdrawn, or no process has run for long
        raise UnavailableError("there is no signing key")

    def _fold(self, uow: UnitOfWork) -> tuple[AuthStream, KeyRing]:
        stream = self._kernel.streams.fold_parked(uow, SYSTEM_ACCOUNT, AuthStream)
        return stream, open_ring(self._secret, stream)

    @in_transaction
    def _rotate(
        self, uow: UnitOfWork, *, wanted: bool = False, withdraw: Sequence[KeyId] = ()
    ) -> list[Event]:
        stream, ring = self._fold(uow)
        bodies = decide_rotation(ring, stream, uow.now, self.limits, wanted=wanted, withdraw=withdraw)
        if not bodies:
            return []
        events = uow.append(SYSTEM_ACCOUNT, stream.head, *bodies)
        for event in events:
            _log.info("%s: %s", event.body.TYPE, getattr(event.body, "key_id", ""))
        return events
