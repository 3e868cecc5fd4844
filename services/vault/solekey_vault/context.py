"""What is stored of what a statement names, so that verifying it needs no storage. Spec: vault.md §5-7."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from solekey_protocol.change_list import Change
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import Digest, ItemId, KeyId
from solekey_protocol.page_list import Page


@dataclass(frozen=True, slots=True)
class SnapshotVerdict:
    """How a snapshot compares with the items as of a commit; see snapshots.py.

    Attributes:
        commit: the last commit then.
        pages: the snapshot's.
        difference: in what it is not what there is; None: it states exactly that.
    """

    commit: int
    pages: tuple[Page, ...]
    difference: str | None


@dataclass(frozen=True, slots=True)
class CommitContext:
    """What is stored of what a commit names.

    Attributes:
        changes: the uploaded change list with the statement's digest; None: nothing was uploaded.
        current: the newest version of the items that it names.
        part_sizes: of the parts or pages that it names, those that were uploaded, in bytes.
        verdict: of a snapshot, in the place of its changes and the current items.
    """

    changes: tuple[Change, ...] | None = None
    current: Mapping[ItemId, Change] = field(default_factory=dict)
    part_sizes: Mapping[Digest, int] = field(default_factory=dict)
    verdict: SnapshotVerdict | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What is stored of what a statement names; what its type does not need is empty.

    Attributes:
        key_id: the account's user key.
        wrap: the uploaded bytes of the wrap that is added.
        most_wraps: how many wraps the account may make in all; None: no limit.
        sealed_epochs: the epochs that live items are sealed under.
        commit: what a commit names.
        enforced: the rotations that are due and that writes have to wait for.
    """

    key_id: KeyId | None = None
    wrap: bytes | None = None
    most_wraps: int | None = None
    sealed_epochs: frozenset[int] = frozenset()
    commit: CommitContext = field(default_factory=CommitContext)
    enforced: frozenset[RotationKind] = frozenset()
