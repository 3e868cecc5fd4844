"""User key care: recovery kits on paper, their proof, and shares of the user key.

::

    kit        RecoveryKit: what a kit says beside the words, and how it is made (`solekey.Keys.make_kit`)
    record     its public part as one line of text without spaces, the same in print and in the QR code
    documents  kits and shares as files: written once, for their owner alone, and read back
    paper      drawing: type, words, QR codes · kit_page, share_page the two pages
    reentry    the words entered again, mistakes named
    proof      proves that a kit opens the account as it is now, and pins the account's history
    shares     SLIP-39: any k of n shares give the user key back

Spec: recovery.md.
"""

from typing import TYPE_CHECKING

from solekey.lazy_names import import_when_used

if TYPE_CHECKING:
    from solekey.recovery.documents import read_kit, write_kit
    from solekey.recovery.kit import RecoveryKit, SavedKit
    from solekey.recovery.paper import Paper
    from solekey.recovery.proof import KitProof
    from solekey.recovery.reentry import confirm_words
    from solekey.recovery.shares import combine_shares, parse_share, split_user_key

__all__ = [
    "KitProof",
    "Paper",
    "RecoveryKit",
    "SavedKit",
    "combine_shares",
    "confirm_words",
    "parse_share",
    "read_kit",
    "split_user_key",
    "write_kit",
]

_HOMES = {
    "KitProof": "proof",
    "Paper": "paper",
    "RecoveryKit": "kit",
    "SavedKit": "kit",
    "combine_shares": "shares",
    "confirm_words": "reentry",
    "parse_share": "shares",
    "read_kit": "documents",
    "split_user_key": "shares",
    "write_kit": "documents",
}

__getattr__ = import_when_used(__name__, _HOMES)  # a login needs no share and no paper
