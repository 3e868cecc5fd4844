"""When which signing key is announced, signs, and is withdrawn: decisions over the system account's stream.

Spec: tokens.md §2. Time is an argument. The keys of one secret have generations 0, 1, 2, …; a key
is announced a while before it signs, so that every service knows it by then, and accepted a while after the
next one has taken over::

    announced --lead--> signs --age--> the next one signs --overlap--> not accepted any more
    (at any time) withdrawn: not accepted from that moment, for ever
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from solekey_auth.limits import AuthLimits
from solekey_auth.signing_keys.signing_key import SigningKey, SigningSecret
from solekey_protocol.events import auth as events
from solekey_protocol.events.body import Body
from solekey_protocol.ids import KeyId, Timestamp
from solekey_protocol.streams import AuthStream
from solekey_service.refusals import NotFound


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
