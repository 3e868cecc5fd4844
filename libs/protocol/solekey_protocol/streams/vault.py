"""Wraps, epochs and commits of an account: the lineage of its keys and data. Spec: vault.md §2.

::

    epoch      0 --KeyWrapped(epoch 1)--> 1 --KeyWrapped(epoch 2)--> 2 ...   never back, never skipping
    a wrap     (absent) --KeyWrapped(version n + 1)--> LIVE --WrapRetired--> RETIRED
    commits    1, 2, 3 ... each under the newest epoch
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from solekey_protocol.errors import TransitionError
from solekey_protocol.event import Event
from solekey_protocol.events import vault as said
from solekey_protocol.events.body import Body, Stream
from solekey_protocol.ids import AccountId, Digest, KeyId, Timestamp, compute_digest
from solekey_protocol.statements import Head
from solekey_protocol.streams.chain import Chain
from solekey_protocol.streams.devices import DevicesStream
from solekey_protocol.wrap import SecretKind

WrapPlace = tuple[SecretKind, int, int]
"""(secret kind, epoch, wrap version)."""


@dataclass(frozen=True, slots=True)
class LiveWrap:
    """A wrap that is stored and not retired."""

    wrapped: said.KeyWrapped
    at: Timestamp


def derive_wraps_digest(wraps: Iterable[LiveWrap]) -> Digest:
    """Derive ``rotation_verified.wraps``: SHA-256 of the raw digests, ascending. Spec: rotation.md §3."""
    return compute_digest(b"".join(sorted(bytes.fromhex(wrap.wrapped.wrap) for wrap in wraps)))


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultStream:
    """The folded ``vault`` stream of one account."""

    chain: Chain
    epoch: int = 0
    wraps: Mapping[WrapPlace, LiveWrap] = field(default_factory=dict)
    versions: Mapping[tuple[SecretKind, int], int] = field(default_factory=dict)
    last_commit: int = 0
    last_snapshot: int = 0
    purged_through: int = 0

    @classmethod
    def start(cls, account: AccountId) -> Self:
        """The stream before its first event."""
        return cls(chain=Chain(account=account, stream=Stream.VAULT))

    @property
    def head(self) -> Head:
        """The last event followed."""
        return self.chain.head

    def live_wraps(self, key_id: KeyId | None = None) -> list[LiveWrap]:
        """The live wraps, all or of one user key, by secret, epoch and version."""
        ordered = [self.wraps[place] for place in sorted(self.wraps)]
        return [wrap for wrap in ordered if key_id in (None, wrap.wrapped.key_id)]

    def apply(self, event: Event, devices: DevicesStream) -> "VaultStream":
        """Verify that a trusted device said the next event, and follow it.

        Raises:
            SignatureError, UntrustedDeviceError, GapError, ForkError: see DevicesStream.verify_statement.
            ChainError, TransitionError: as ``evolve``.
        """
        if event.signed is None:
            raise TransitionError(f"{event.body.TYPE}: no signed statement")
        devices.verify_statement(event.signed)
        return self.evolve(event)

    def evolve(self, event: Event) -> "VaultStream":
        """Follow the next event without verifying signatures. Raises ChainError or TransitionError."""
        chain = self.chain.follow(event)
        return replace(self.transition(event.body, event.time), chain=chain)

    def transition(self, body: Body, at: Timestamp) -> "VaultStream":
        """What the stream is once ``body`` is said. Raises TransitionError when it may not be."""
        match body:
            case said.KeyWrapped():
                return self._wrap(body, at)
            case said.WrapRetired():
                return self._retire(body)
            case said.ItemsCommitted():
                return self._commit(body)
            case said.ObjectsPurged(through_commit):
                if not self.purged_through <= through_commit <= self.last_commit:
                    raise TransitionError(f"cannot purge through commit {through_commit}")
                return replace(self, purged_through=through_commit)
            case _:
                raise TransitionError(f"{body.TYPE} does not belong to the vault stream")

    def _wrap(self, body: said.KeyWrapped, at: Timestamp) -> "VaultStream":
        if body.epoch not in (self.epoch, self.epoch + 1) and not self._is_live(body.secret, body.epoch):
            raise TransitionError(f"epoch {body.epoch} is neither live nor the next after {self.epoch}")
        secret = (body.secret, body.epoch)
        expected = self.versions.get(secret, 0) + 1
        if body.wrap_version != expected:
            raise TransitionError(f"wrap version {body.wrap_version}: expected {expected}")
        return replace(
            self,
            epoch=max(self.epoch, body.epoch),
            wraps={**self.wraps, (*secret, body.wrap_version): LiveWrap(body, at)},
            versions={**self.versions, secret: body.wrap_version},
        )

    def _retire(self, body: said.WrapRetired) -> "VaultStream":
        place = (body.secret, body.epoch, body.wrap_version)
        live = self.wraps.get(place)
        if live is None or live.wrapped.wrap != body.wrap:
            raise TransitionError(f"wrap {body.epoch}/{body.wrap_version} is not live")
        rest = {key: wrap for key, wrap in self.wraps.items() if key != place}
        if body.epoch == self.epoch and not any(key[:2] == place[:2] for key in rest):
            raise TransitionError("the newest data key's only wrap cannot be retired")
        return replace(self, wraps=rest)

    def _commit(self, body: said.ItemsCommitted) -> "VaultStream":
        if body.commit != self.last_commit + 1:
            raise TransitionError(f"commit {body.commit}: expected {self.last_commit + 1}")
        if body.epoch != self.epoch:
            raise TransitionError(f"commit under epoch {body.epoch}; the newest is {self.epoch}")
        snapshot = body.commit if body.kind is said.CommitKind.SNAPSHOT else self.last_snapshot
        return replace(self, last_commit=body.commit, last_snapshot=snapshot)

    def _is_live(self, secret: SecretKind, epoch: int) -> bool:
        return any(place[:2] == (secret, epoch) for place in self.wraps)
