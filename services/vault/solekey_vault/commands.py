"""What a client may ask of the vault: one command a statement, with the facts that its decision needs.

A command carries the signed statement and what the vault's storage holds of what the statement names, so that
deciding needs no storage. Spec: vault.md §5-7.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from solekey_protocol.change_list import Change
from solekey_protocol.events import vault as said
from solekey_protocol.ids import Digest, ItemId
from solekey_protocol.statements import SignedStatement


@dataclass(frozen=True, slots=True)
class WrapKey:
    """Add a wrap."""

    signed: SignedStatement
    body: said.KeyWrapped
    wrap: bytes | None
    """The uploaded bytes with the body's digest."""


@dataclass(frozen=True, slots=True)
class RetireWrap:
    """Delete a wrap."""

    signed: SignedStatement
    body: said.WrapRetired
    sealed_epochs: frozenset[int]
    """The epochs that live items are sealed under."""


@dataclass(frozen=True, slots=True)
class SnapshotVerdict:
    """How a long snapshot compares with the live items as of a commit; see change_lists.py."""

    commit: int
    """The last commit then."""
    count: int
    bytes: int
    differing: int
    example: str | None


@dataclass(frozen=True, slots=True)
class CommitItems:
    """Commit a change list."""

    signed: SignedStatement
    body: said.ItemsCommitted
    changes: tuple[Change, ...] | None
    """The uploaded change list with the body's digest."""
    current: Mapping[ItemId, Change]
    """The newest version of the items that it names; of a snapshot: every live item."""
    part_sizes: Mapping[Digest, int]
    """Of the parts that it names: those that were uploaded, in bytes."""
    verdict: SnapshotVerdict | None = None
    """Of a long snapshot, in the place of its changes and the current items."""


@dataclass(frozen=True, slots=True)
class PurgeObjects:
    """Delete superseded ciphertext."""

    signed: SignedStatement
    body: said.ObjectsPurged


Command = WrapKey | RetireWrap | CommitItems | PurgeObjects
