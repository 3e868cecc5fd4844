"""Stored objects and events explain each other: OBJ-01 to OBJ-05. Spec: audit.md §3, vault.md §3 to §7."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from solekey.audit.bundle.stored import StoredRow
from solekey.audit.bundle.stored_index import StoredIndex
from solekey.audit.checks.evidence import Evidence
from solekey.audit.report import Finding, Tally
from solekey_protocol.change_list import Change, parse_change_list
from solekey_protocol.errors import MalformedError, TransitionError
from solekey_protocol.event import Event
from solekey_protocol.events import Stream
from solekey_protocol.events.auth import AccountClosed
from solekey_protocol.events.vault import CommitKind, ItemsCommitted, KeyWrapped
from solekey_protocol.ids import AccountId
from solekey_protocol.items import Items, verify_totals
from solekey_protocol.page_list import join_pages, parse_page_list

UNCLAIMED: Final = timedelta(hours=25)
"""What no commit names lies for 24 h, and until the next collection (vault.md §3)."""

Rows = dict[tuple[str, str], StoredRow]


def check_objects(evidence: Evidence, stored: StoredIndex, tally: Tally) -> None:
    """Compare one account's events with what is stored."""
    rows = stored.find(evidence.account)
    _check_tables(evidence, [row for (kind, _), row in rows.items() if kind == "event"], stored, tally)
    if "vault" not in stored.services or any(
        isinstance(each.body, AccountClosed) for each in evidence.of(Stream.AUTH)
    ):
        return  # all of a closed account is deleted (vault.md §7.3)
    _check_wraps(evidence, rows, tally)
    explained = _check_commits(evidence, rows, tally)
    if explained is not None and Stream.VAULT in evidence.whole:
        _check_unexplained(evidence, rows, explained, stored, tally)


def check_strangers(stored: StoredIndex, accounts: set[AccountId], tally: Tally) -> None:
    """OBJ-04: nothing lies in the store for an account that the log does not know, or for nobody."""
    for account in stored.accounts():
        tally.look("OBJ-04")
        if account not in accounts:
            detail = "something is stored for an account that the log does not hold"
            tally.find("OBJ-04", "object_unexplained", account, Stream.VAULT, None, detail)
    for name, size in stored.blobs():
        tally.look("OBJ-04")
        detail = f"{size} bytes called {name} that no row names"
        tally.find("OBJ-04", "object_unexplained", None, Stream.VAULT, None, detail)


def _check_wraps(evidence: Evidence, rows: Rows, tally: Tally) -> None:
    """OBJ-01: the bytes of each live wrap are stored."""
    by_digest = {
        each.body.wrap: each for each in evidence.of(Stream.VAULT) if isinstance(each.body, KeyWrapped)
    }
    for wrap in evidence.signed.vault.live_wraps():
        tally.look("OBJ-01")
        event, row = by_digest[wrap.wrapped.wrap], rows.get(("wrap", wrap.wrapped.wrap))
        if row is None or row.found is None:
            tally.find_at("OBJ-01", "wrap_missing", event, "the bytes of this live wrap are not stored")
        elif row.found != row.digest:
            detail = f"other bytes are stored for this live wrap: {row.found}"
            tally.find_at("OBJ-01", "wrap_changed", event, detail)
        elif row.dropped:
            tally.find_at("OBJ-01", "wrap_dropped", event, "this live wrap waits for its deletion")


def _check_commits(evidence: Evidence, rows: Rows, tally: Tally) -> set[str] | None:
    """OBJ-02, OBJ-03: change lists, and the parts of live items.

    Returns:
        The objects that the commits explain; None where a change list does not tell.
    """
    items, explained, follows = Items(), set[str](), True
    named: dict[str, Event] = {}
    for event in evidence.of(Stream.VAULT):
        body = event.body
        if not isinstance(body, ItemsCommitted):
            continue
        tally.look("OBJ-02")
        explained.add(body.changes)
        try:
            changes = list(_read_changes(body, rows, explained))
            verify_totals(body, changes)
            if follows:
                items.follow(body, changes)
        except LookupError as error:
            tally.find_at("OBJ-02", "change_list_missing", event, str(error.args[0]))
            follows = False
            continue
        except (MalformedError, TransitionError) as error:
            tally.find_at("OBJ-02", "change_list_wrong", event, str(error))
            follows = False
            continue
        for change in changes:
            explained.update(part.digest for part in change.parts)
            if body.kind is not CommitKind.SNAPSHOT:
                named[change.item] = event
    for item, change in items.live.items():
        _check_parts(change, named.get(item), rows, tally)
    return explained if follows else None


def _read_changes(body: ItemsCommitted, rows: Rows, explained: set[str]) -> Iterator[Change]:
    """Read the change list of a commit, or the pages of a snapshot. Raises LookupError, MalformedError."""
    raw = _read_list(body.changes, rows)
    if body.kind is not CommitKind.SNAPSHOT:
        yield from parse_change_list(raw)
        return
    pages = parse_page_list(raw)
    explained.update(page.digest for page in pages)
    yield from join_pages(pages, (_read_list(page.digest, rows) for page in pages))


def _read_list(digest: str, rows: Rows) -> bytes:
    row = rows.get(("object", digest))
    if row is None or row.found is None or row.content is None:
        raise LookupError(f"the change list or page {digest} is not stored")
    if hashlib.sha256(row.content).hexdigest() != digest:
        raise MalformedError(f"other bytes are stored as the change list or page {digest}")
    return row.content


def _check_parts(change: Change, event: Event | None, rows: Rows, tally: Tally) -> None:
    """OBJ-03: each part of a live item is stored, with its bytes."""
    account, seq = (event.account, event.seq) if event is not None else (None, None)
    for part in change.parts:
        tally.look("OBJ-03")
        row = rows.get(("object", part.digest))
        what = f"{change.item} version {change.version}: the part {part.digest}"
        if row is None or row.found is None:
            tally.find("OBJ-03", "part_missing", account, Stream.VAULT, seq, f"{what} is not stored")
        elif (row.found, row.size) != (part.digest, part.size):
            detail = f"{what} is not stored as committed"
            tally.find("OBJ-03", "part_changed", account, Stream.VAULT, seq, detail)
        elif row.dropped:
            tally.find("OBJ-03", "part_dropped", account, Stream.VAULT, seq, f"{what} waits for its deletion")


def _check_unexplained(
    evidence: Evidence, rows: Rows, explained: set[str], stored: StoredIndex, tally: Tally
) -> None:
    """OBJ-04: every stored object is named by a commit, or was sent a short time ago."""
    wraps = {each.body.wrap for each in evidence.of(Stream.VAULT) if isinstance(each.body, KeyWrapped)}
    waiting = 0
    for (kind, digest), row in rows.items():
        if kind == "event":
            continue
        tally.look("OBJ-04")
        if digest in (wraps if kind == "wrap" else explained):
            continue
        made_at = stored.services["vault"].datetime
        if not row.claimed and row.stored_at and made_at - row.stored_at.datetime < UNCLAIMED:
            waiting += 1
            continue
        detail = f"the {kind} {digest} of {row.size} bytes: no event names it"
        tally.find("OBJ-04", "object_unexplained", evidence.account, Stream.VAULT, None, detail)
    if waiting:
        detail = f"{waiting} objects that no event names yet, sent within {UNCLAIMED}, as the operator says"
        tally.notices.append(
            Finding("OBJ-04", "object_unclaimed", evidence.account, Stream.VAULT, None, detail)
        )


def _check_tables(evidence: Evidence, rows: list[StoredRow], stored: StoredIndex, tally: Tally) -> None:
    """OBJ-05: the services' tables hold the events that the bus holds."""
    listed = {(row.stream, row.seq): row.digest for row in rows}
    for stream in (each for each in Stream if each.value in stored.services):
        events = {event.seq: event for event in evidence.of(stream)}
        for seq, event in events.items():
            tally.look("OBJ-05")
            found = listed.get((stream, seq))
            if found is None:
                tally.find_at("OBJ-05", "event_not_stored", event, "the service's table does not hold it")
            elif found != event.digest:
                tally.find_at("OBJ-05", "event_differs", event, f"the service's table holds {found}")
        for (other, seq), digest in listed.items():
            if other is stream and seq not in events and stream in evidence.whole:
                detail = f"the service's table holds this event ({digest}), and the bus does not"
                tally.find("OBJ-05", "event_not_published", evidence.account, stream, seq, detail)
