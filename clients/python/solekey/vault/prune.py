"""Deletes replaced versions and removed items of an age, by a signed purge. Spec: vault.md §7.1."""

from datetime import datetime, timedelta

from solekey.vault.unlocked import UnlockedAccount
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import ItemsCommitted, ObjectsPurged


def prune(unlocked: UnlockedAccount, *, now: datetime, older_than_days: int) -> int | None:
    """Have the server delete what was replaced or removed before so many days, once its grace time is over.

    Returns:
        The commit up to which it was said; None: there is nothing of that age that was not purged before.

    Raises:
        StepUpRequiredError: it needs a fresh second factor.
    """
    if older_than_days < 0:
        raise ValueError("older_than_days: expected 0 or more")

    def decide() -> ObjectsPurged | None:
        through = _find_last_commit(unlocked, now - timedelta(days=older_than_days))
        return ObjectsPurged(through) if through > unlocked.streams.vault.purged_through else None

    event = unlocked.say(decide)
    body = event.body if event is not None else None
    return body.through_commit if isinstance(body, ObjectsPurged) else None


def _find_last_commit(unlocked: UnlockedAccount, before: datetime) -> int:
    """Find the last commit that was recorded before a moment, and no later one; 0: none."""
    events = unlocked.streams.events(Stream.VAULT)
    for seq in range(len(events) - 1, -1, -1):
        event = events[seq]
        if isinstance(event.body, ItemsCommitted) and datetime.fromisoformat(event.time) <= before:
            return event.body.commit
    return 0
