"""What commits state of how much they change: a log does not hold the change lists. Spec: vault.md §5."""

from solekey.audit.checks.evidence import Evidence
from solekey.audit.report import Tally
from solekey_protocol.events import Stream, vault
from solekey_protocol.ids import Digest
from solekey_protocol.limits import MAX_CHANGES


def check_commits(evidence: Evidence, tally: Tally) -> None:
    """COM-01: the numbers of changes can be true together, and no change list is committed twice.

    Of all items that ever were, removed ones too, there are at least and at most so many: a list names an
    item once, the first commit can only add, a rekey names items that are there, a snapshot names all.
    """
    least, most = 0, 0
    lists: dict[Digest, int] = {}
    for event in evidence.of(Stream.VAULT):
        if not isinstance(event.body, vault.ItemsCommitted):
            continue
        tally.look("COM-01")
        body = event.body
        low, high = (least, most) if body.kind is vault.CommitKind.SNAPSHOT else (0, MAX_CHANGES)
        high = min(high, most) if body.kind is vault.CommitKind.REKEY else high
        if not low <= body.count <= high:
            detail = (
                f"commit {body.commit} ({body.kind.value}) states {body.count} items, not {low} to {high}"
            )
            tally.find_at("COM-01", "count_impossible", event, detail)
        if body.kind is vault.CommitKind.SNAPSHOT:
            least = most = body.count
            continue
        least = max(least, body.count)
        most += body.count if body.kind is vault.CommitKind.DELTA else 0
        first = lists.setdefault(body.changes, body.commit) if body.count else body.commit
        if first != body.commit:
            detail = f"commit {first} has the same change list: versions go on, so that it cannot come again"
            tally.find_at("COM-01", "change_list_repeated", event, detail)
