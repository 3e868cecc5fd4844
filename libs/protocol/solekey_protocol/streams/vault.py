"""Wraps, epochs and commits of an account: the lineage of its keys and data. Spec: vault.md §2.

::

    epoch      0 --KeyWrapped(epoch 1)--> 1 --KeyWrapped(epoch 2)--> 2 ...   never back, never skipping
    a wrap     (absent) --KeyWrapped(version n + 1)--> LIVE --WrapRetired--> RETIRED
    commits    1, 2, 3 ... each under the newest epoch, signed by that epoch's commit key
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from solekey_protocol.errors import TransitionError
from solekey_protocol.event import Event
from solekey_protocol.events import vault as events
from solekey_protocol.events.body import Body, Signer
from solekey_protocol.ids import Digest, KeyId, PublicKey, RotationId, Timestamp, compute_digest
from solekey_protocol.services import Stream
from solekey_protocol.statements import SignedStatement, Statement
from solekey_protocol.streams.fold import Fold, TrustedDevices
from solekey_protocol.wrap import SecretKind

WrapPlace = tuple[SecretKind, int, int]
"""(secret kind, epoch, wrap version)."""


@dataclass(frozen=True, slots=True)
class WrapRecord:
    """A wrap, and the positions in the ``vault`` stream at which it was stored and retired."""

    wrapped: events.KeyWrapped
    at: Timestamp
    since: int
    retired_at: int | None = None

    def is_live_at(self, seq: int) -> bool:
        """Whether it was stored and not retired once the stream had reached ``seq``."""
        return self.since <= seq and (self.retired_at is None or seq < self.retired_at)


def derive_wraps_digest(wraps: Iterable[WrapRecord]) -> Digest:
    """Derive ``rotation_verified.wraps``: SHA-256 of the raw digests, ascending. Spec: rotation.md §3."""
    return compute_digest(b"".join(sorted(bytes.fromhex(wrap.wrapped.wrap) for wrap in wraps)))


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultStream(Fold):
    """The folded ``vault`` stream of one account."""

    STREAM = Stream.VAULT

    epoch: int = 0
    wraps: Mapping[WrapPlace, WrapRecord] = field(default_factory=dict)
    """Every wrap that ever was, retired ones too."""
    commit_keys: Mapping[int, PublicKey] = field(default_factory=dict)
    """By the epoch whose commits they verify."""
    epoch_rotations: Mapping[int, RotationId | None] = field(default_factory=dict)
    """The rotation whose wrap began an epoch; None for the account's first."""
    versions: Mapping[tuple[SecretKind, int], int] = field(default_factory=dict)
    last_commit: int = 0
    last_snapshot: int = 0
    """The number of the newest snapshot commit; 0 before the first."""
    last_snapshot_at: int = 0
    """The position of the newest snapshot."""
    changes_since_snapshot: int = 0
    """How many changes the commits after the newest snapshot state."""
    first_snapshots: Mapping[int, int] = field(default_factory=dict)
    """By epoch: the position of the first snapshot under it."""
    purged_through: int = 0

    def live_wraps(self, key_id: KeyId | None = None, *, seq: int | None = None) -> list[WrapRecord]:
        """The live wraps, all or of one user key, by secret, epoch and version; now, or as of a position."""
        live = [
            (place, wrap)
            for place, wrap in self.wraps.items()
            if (wrap.retired_at is None if seq is None else wrap.is_live_at(seq))
            and key_id in (None, wrap.wrapped.key_id)
        ]
        return [wrap for _, wrap in sorted(live, key=lambda found: found[0])]

    def epoch_at(self, seq: int) -> int:
        """The newest epoch once the stream had reached ``seq``; 0 before the first."""
        return max((wrap.wrapped.epoch for wrap in self.wraps.values() if wrap.since <= seq), default=0)

    def verify(self, signed: SignedStatement, devices: TrustedDevices) -> Statement:
        """See Fold.verify; who commits, or wraps, must also have the data key of the epoch.

        Raises:
            TransitionError: the epoch has not begun.
        """
        statement = devices.verify_statement(signed)
        body = statement.body
        if isinstance(body, events.ItemsCommitted):
            if body.epoch not in self.commit_keys:
                raise TransitionError(f"epoch {body.epoch} has not begun")
            signed.verify(Signer.COMMIT, self.commit_keys[body.epoch])
        elif isinstance(body, events.KeyWrapped):
            signed.verify(Signer.COMMIT, body.commit_key)
        return statement

    def _transition(self, event: Event) -> Self:
        if event.signed is None:
            raise TransitionError(f"{event.body.TYPE}: no signed statement")
        return self.transition(event.body, event.time)

    def transition(self, body: Body, at: Timestamp) -> Self:
        """What the stream is after ``body``. Raises TransitionError when that may not follow."""
        match body:
            case events.KeyWrapped():
                return self._wrap(body, at)
            case events.WrapRetired():
                return self._retire(body)
            case events.ItemsCommitted():
                return self._commit(body)
            case events.ObjectsPurged(through_commit):
                if not self.purged_through <= through_commit <= self.last_commit:
                    raise TransitionError(f"cannot purge through commit {through_commit}")
                return replace(self, purged_through=through_commit)
            case _:
                raise TransitionError(f"{body.TYPE} does not belong to the vault stream")

    def _wrap(self, body: events.KeyWrapped, at: Timestamp) -> Self:
        if body.epoch not in self.commit_keys and body.epoch != self.epoch + 1:
            raise TransitionError(f"epoch {body.epoch} is neither known nor the next after {self.epoch}")
        secret = (body.secret, body.epoch)
        expected = self.versions.get(secret, 0) + 1
        if body.wrap_version != expected:
            raise TransitionError(f"wrap version {body.wrap_version}: expected {expected}")
        if self.commit_keys.get(body.epoch, body.commit_key) != body.commit_key:
            raise TransitionError(f"epoch {body.epoch} has another commit key")
        return replace(
            self,
            epoch=max(self.epoch, body.epoch),
            wraps={
                **self.wraps,
                (*secret, body.wrap_version): WrapRecord(body, at, since=self.head.seq + 1),
            },
            commit_keys={**self.commit_keys, body.epoch: body.commit_key},
            epoch_rotations={body.epoch: body.rotation, **self.epoch_rotations},
            versions={**self.versions, secret: body.wrap_version},
        )

    def _retire(self, body: events.WrapRetired) -> Self:
        place = (body.secret, body.epoch, body.wrap_version)
        wrap = self.wraps.get(place)
        if wrap is None or wrap.retired_at is not None or wrap.wrapped.wrap != body.wrap:
            raise TransitionError(f"wrap {body.epoch}/{body.wrap_version} is not live")
        wraps = {**self.wraps, place: replace(wrap, retired_at=self.head.seq + 1)}
        left = {key[:2] for key, other in wraps.items() if other.retired_at is None}
        if body.epoch == self.epoch and place[:2] not in left:
            raise TransitionError("the newest data key's only wrap cannot be retired")
        return replace(self, wraps=wraps)

    def _commit(self, body: events.ItemsCommitted) -> Self:
        if body.commit != self.last_commit + 1:
            raise TransitionError(f"commit {body.commit}: expected {self.last_commit + 1}")
        if body.epoch != self.epoch:
            raise TransitionError(f"commit under epoch {body.epoch}; the newest is {self.epoch}")
        if body.kind is not events.CommitKind.SNAPSHOT:
            changes = self.changes_since_snapshot + body.count
            return replace(self, last_commit=body.commit, changes_since_snapshot=changes)
        at = self.head.seq + 1
        return replace(
            self,
            last_commit=body.commit,
            last_snapshot=body.commit,
            last_snapshot_at=at,
            changes_since_snapshot=0,
            first_snapshots={body.epoch: at, **self.first_snapshots},
        )
