"""The rules that tie an account's streams together. Spec: lineage.md.

A statement is judged by what its author had seen: every rule is evaluated at the heads that the statement
claims, so that a service before it takes a statement, a client before it believes an event, and an auditor
who replays the log come to the same answer. Nothing depends on how far somebody happens to have followed.
What is irrevocable is decided by one event in one stream, which every later step cites by its heads:

::

    a user key takes over, or never will    devices    AccountKeyChanged or KeyChangeAbandoned
    a data key takes over, or never will    rotation   RotationCommitted or RotationAborted
    a device speaks no more                 devices    DeviceRevoked
    a wrap is not needed any more           vault      WrapRetired, citing one of the first two

Pure: no clock, no I/O, no key. The folds must have followed at least to the claimed heads.

Map: ``account`` the streams together · ``rules`` which rule a statement has · ``devices``, ``vault``,
``rotation`` the rules of each stream · ``wraps`` what a rotation makes · ``revocation`` what one leaves.
"""

from solekey_protocol.lineage.account import Account
from solekey_protocol.lineage.revocation import find_owed, find_unconfirmed
from solekey_protocol.lineage.rules import is_tied, verify_lineage
from solekey_protocol.lineage.vault import may_reencrypt
from solekey_protocol.lineage.wraps import find_new_wraps, find_old_wraps, find_unwrapped

__all__ = [
    "Account",
    "find_new_wraps",
    "find_old_wraps",
    "find_owed",
    "find_unconfirmed",
    "find_unwrapped",
    "is_tied",
    "may_reencrypt",
    "verify_lineage",
]
