"""What a data re-key must have brought about, as far as a log shows it. Spec: rotation.md §3."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from solekey.audit.checks.evidence import Evidence
from solekey.audit.report import Tally
from solekey_protocol.event import Event
from solekey_protocol.events import Stream, rotation, vault
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.statements import EMPTY_HEAD


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of a re-key, and how much of the vault its author had seen."""

    event: Event
    started: rotation.RotationStarted
    left_epochs: tuple[int, ...]
    seen_vault: int


def check_rekeys(evidence: Evidence, tally: Tally) -> None:
    """ROT-01: a re-key that is completed has re-encrypted what was there, and has purged what was superseded.

    The log says how many changes a commit has, and not which: so many items at least were live.
    """
    commits = _Commits.collect(evidence.of(Stream.VAULT))
    for step in _find_steps(evidence):
        if isinstance(step.event.body, rotation.RotationCommitted):
            tally.look("ROT-01")
            live, changed = commits.count(step.started.to_epoch, step.seen_vault)
            if changed < live and not step.left_epochs:
                detail = f"at least {live} items were live, and {changed} changes follow the new epoch"
                tally.find_at("ROT-01", "rekey_incomplete", step.event, detail)
        elif commits.find_purge(step.seen_vault) < commits.snapshots.get(step.started.to_epoch, 0):
            detail = "what was superseded before the snapshot was not purged"
            tally.find_at("ROT-01", "rotation_unpurged", step.event, detail)


def _find_steps(evidence: Evidence) -> Iterator[_Step]:
    rotations = {each.started.rotation: each for each in evidence.signed.rotation.rotations}
    for event in evidence.of(Stream.ROTATION):
        body = event.body
        if not isinstance(body, rotation.RotationCommitted | rotation.RotationCompleted):
            continue
        found = rotations[body.rotation]
        if found.started.kind is RotationKind.DATA_KEY and event.signed is not None:
            seen = event.signed.statement.heads.get(Stream.VAULT, EMPTY_HEAD).seq
            yield _Step(event, found.started, found.left_epochs, seen)


@dataclass(frozen=True, slots=True)
class _Commits:
    """What the commits of an account say of how much there is.

    Attributes:
        live: by epoch: how many items were live at least when it began.
        changes: by epoch: the place of each delta or re-encryption under it, and how much was changed so far.
        purges: the place of each purge, and the commit that the purges reach so far.
        snapshots: by epoch: the number of the first snapshot under it.
    """

    live: dict[int, int]
    changes: dict[int, list[tuple[int, int]]]
    purges: list[tuple[int, int]]
    snapshots: dict[int, int]

    @classmethod
    def collect(cls, events: Sequence[Event]) -> "_Commits":
        found = cls({}, {}, [], {})
        at_least, encrypted = 0, 0  # items that were live at least; that were re-encrypted in this epoch
        for event in events:
            match event.body:
                case vault.KeyWrapped(epoch=epoch) if epoch not in found.live:
                    found.live[epoch], encrypted = at_least, 0
                case vault.ItemsCommitted(number, kind, epoch, _, count):
                    if kind is vault.CommitKind.SNAPSHOT:
                        found.snapshots.setdefault(epoch, number)
                        continue
                    if kind is vault.CommitKind.REKEY:
                        encrypted += count
                        at_least = max(at_least, encrypted)
                    else:  # the first one can only add; any later change may be a removal
                        at_least = count if number == 1 else max(0, at_least - count)
                        encrypted = max(0, encrypted - count)
                    found._note(epoch, event.seq, count)
                case vault.ObjectsPurged(through_commit):
                    found.purges.append((event.seq, through_commit))
        return found

    def _note(self, epoch: int, seq: int, count: int) -> None:
        noted = self.changes.setdefault(epoch, [])
        noted.append((seq, (noted[-1][1] if noted else 0) + count))

    def count(self, epoch: int, seen: int) -> tuple[int, int]:
        """How many items were live at least when an epoch began, and how much was changed under it then."""
        return self.live.get(epoch, 0), _find_last(self.changes.get(epoch, ()), seen)

    def find_purge(self, seen: int) -> int:
        """Up to which commit was purged once the vault stream had reached a place."""
        return _find_last(self.purges, seen)


def _find_last(noted: Sequence[tuple[int, int]], seen: int) -> int:
    """Find what was noted last up to a place."""
    place = bisect_right(noted, seen, key=lambda each: each[0])
    return noted[place - 1][1] if place else 0
