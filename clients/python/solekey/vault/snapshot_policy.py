"""When a client commits a snapshot by itself: when it is less to read than the change lists since the last.

Spec: vault.md §5.2.
"""

from collections.abc import Callable
from typing import Final

from solekey_protocol.streams import VaultStream

MIN_COMMITS: Final = 256
LIST_BYTES: Final = 200
"""What a change list costs beside its changes: it is asked for, sent and hashed on its own."""
CHANGE_BYTES: Final = 105
"""A change of one part, in a change list and in a snapshot alike."""


def pays(vault: VaultStream, count_items: Callable[[], int]) -> bool:
    """Whether a snapshot pays now.

    Args:
        vault: the account's vault stream.
        count_items: counts its items, removed ones included.
    """
    commits = vault.last_commit - vault.last_snapshot
    lists = commits * LIST_BYTES + vault.changes_since_snapshot * CHANGE_BYTES
    return commits >= MIN_COMMITS and lists >= count_items() * CHANGE_BYTES
