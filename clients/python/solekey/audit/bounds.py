"""The bounds that an audit holds an operator to. Spec: audit.md §3."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import PublicKey

EARLIEST: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""Nothing was written by Solekey before."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an honest operator keeps.

    Attributes:
        revocation: by when every service has heard of a revocation or refuses: freshness, clocks, and
            the time of a request.
        session: how long a session lasts at most (SOLEKEY_SESSION_ABSOLUTE_S of auth).
        proof: how long a proven second factor counts (SOLEKEY_STEP_UP_S): the most that may be set.
        user_key_age: how old a user key may become where its account has set no policy
            (SOLEKEY_USER_KEY_MAX_AGE_DAYS of rotation).
        data_key_age: how old a data key may become (SOLEKEY_DATA_KEY_MAX_AGE_DAYS).
        clocks: what the clocks of one platform differ by at most (conventions.md §12).
        publication: how long the publisher may take, while it is at work, to publish what was written.
        other_topics: topics on the bus that are not Solekey's, as the operator says.
        exporter: the key of whoever exports bundles, learnt from them and not from the bundle.
        now: nothing in the log is later; None: the machine's clock.
    """

    revocation: timedelta = timedelta(seconds=10)
    session: timedelta = timedelta(hours=12)
    proof: timedelta = timedelta(hours=1)
    user_key_age: timedelta = timedelta(days=365)
    data_key_age: timedelta = timedelta(days=365)
    clocks: timedelta = timedelta(seconds=60)
    publication: timedelta = timedelta(minutes=10)
    other_topics: frozenset[str] = frozenset()
    exporter: PublicKey | None = None
    now: datetime | None = None

    def find_key_age(self, kind: RotationKind) -> timedelta:
        """How old a key of this kind may become by the operator's word."""
        return self.user_key_age if kind is RotationKind.USER_KEY else self.data_key_age

    @property
    def revocation_elsewhere(self) -> timedelta:
        """By when it is heard of, between the clocks of two services."""
        return self.revocation + self.clocks
