"""What is stored of what a statement names, so that verifying it needs no storage. Spec: vault.md §5-7."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from solekey_protocol.change_list import Change
from solekey_protocol.ids import Digest, ItemId, KeyId


@dataclass(frozen=True, slots=True)
class SnapshotVerdict:
    """How a long snapshot compares with the live items as of a commit; see change_lists.py.

    Attributes:
        commit: the last commit then.
        count: how many items the snapshot states.
        bytes: their size.
        differing: how many items are not as it states them.
        example: one of these.
    """

    commit: int
    count: int
    bytes: int
    differing: int
    example: str | None


@dataclass(frozen=True, slots=True)
class CommitContext:
    """What is stored of what a commit names.

    Attributes:
        changes: the uploaded change list with the statement's digest; None: nothing was uploaded.
        current: the newest version of the items that it names; of a snapshot: every live item.
        part_sizes: of the parts that it names, those that were uploaded, in bytes.
        verdict: of a long snapshot, in the place of its changes and the current items.
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
        sealed_epochs: the epochs that live items are sealed under.
        commit: what a commit names.
    """

    key_id: KeyId | None = None
    wrap: bytes | None = None
    sealed_epochs: frozenset[int] = frozenset()
    commit: CommitContext = field(default_factory=CommitContext)
