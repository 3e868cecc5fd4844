"""What a re-key had to leave under an old epoch, because it did not open: found, tried again, settled.

While an item is sealed under an old epoch, that epoch's wrap stays. Once the item opens again, or was
removed, the wrap and the old ciphertext go. Spec: rotation.md §3.
"""

from collections.abc import Callable

from solekey.progress import Progress, ignore_progress
from solekey.rotation.rekey import find_old_items, may_go_on, rekey_items
from solekey.rotation.rotation_plan import find_unneeded
from solekey.vault.unlocked import UnlockedAccount
from solekey.vault.unreadable import UnreadableItem
from solekey_protocol.events.vault import ObjectsPurged, WrapRetired
from solekey_protocol.streams import WrapRecord


def find_leftovers(unlocked: UnlockedAccount) -> tuple[UnreadableItem, ...]:
    """Find the items that were tried in this unlocked block and left under an older epoch."""
    return unlocked.unreadable.select(find_old_items(unlocked, unlocked.streams.vault.epoch))


def settle_leftovers(unlocked: UnlockedAccount, progress: Progress = ignore_progress) -> None:
    """Re-encrypt what opens again, and retire the old epochs' wraps that no live item needs any more."""
    unlocked.streams.sync()
    unlocked.index.catch_up()
    streams = unlocked.streams
    epoch = streams.vault.epoch
    if streams.rotation.open is not None or not may_go_on(unlocked, epoch):
        return
    old = find_old_items(unlocked, epoch)
    changed = bool(old) and len(rekey_items(unlocked, epoch, progress)) < len(old)
    if changed or _find_unneeded(unlocked):
        unlocked.committer.commit_snapshot()  # says that nothing is left under them
        retire_wraps(unlocked, lambda: _find_unneeded(unlocked))
        _purge(unlocked)


def retire_wraps(unlocked: UnlockedAccount, find: Callable[[], list[WrapRecord]]) -> int:
    """Retire what ``find`` finds, one after the other, until it finds nothing more; returns how many."""

    def decide() -> WrapRetired | None:
        found = find()
        if not found:
            return None
        wrapped = found[0].wrapped
        return WrapRetired(wrapped.secret, wrapped.epoch, wrapped.wrap_version, wrapped.wrap)

    retired = 0
    while unlocked.say(decide) is not None:
        retired += 1
    return retired


def _find_unneeded(unlocked: UnlockedAccount) -> list[WrapRecord]:
    unlocked.index.catch_up()
    vault = unlocked.streams.vault
    sealed = frozenset(change.epoch for change in unlocked.index.items.values())
    return find_unneeded(vault, vault.epoch, sealed)


def _purge(unlocked: UnlockedAccount) -> None:
    def decide() -> ObjectsPurged | None:
        vault = unlocked.streams.vault
        return ObjectsPurged(vault.last_snapshot) if vault.purged_through < vault.last_snapshot else None

    unlocked.say(decide)
