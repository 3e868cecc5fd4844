"""The rule of each statement that needs something of another stream. Spec: lineage.md §2, §3."""

from collections.abc import Callable
from typing import Any, Final

from solekey_protocol.errors import GapError
from solekey_protocol.events import devices as device_events
from solekey_protocol.events import rotation as rotation_events
from solekey_protocol.events import vault as vault_events
from solekey_protocol.events.body import Body
from solekey_protocol.lineage import devices, rotation, vault
from solekey_protocol.lineage.account import Account, find_followed
from solekey_protocol.statements import SignedStatement, Statement

_RULES: Final[dict[type[Body], Callable[[Any, Statement, Account], None]]] = {
    device_events.AccountKeyChanged: devices.verify_key_change,
    device_events.KeyChangeAbandoned: devices.verify_abandonment,
    vault_events.KeyWrapped: vault.verify_wrap,
    vault_events.WrapRetired: vault.verify_retirement,
    vault_events.ItemsCommitted: vault.verify_reencryption,
    rotation_events.RotationStarted: rotation.verify_start,
    rotation_events.RotationVerified: rotation.verify_verification,
    rotation_events.RotationCommitted: rotation.verify_commitment,
    rotation_events.RotationCompleted: rotation.verify_completion,
    rotation_events.RotationAborted: rotation.verify_abort,
}
"""Each rule takes the body of the type that it stands at, the statement, and the account."""


def verify_lineage(signed: SignedStatement, account: Account) -> Statement:
    """Verify what a statement needs of the other streams, at the heads that it claims. Spec: lineage.md §3.

    The statement's own stream must stand where the statement continues it.

    Raises:
        GapError: a claimed head is ahead of what was followed.
        LineageError: a rule is broken; its ``code`` says which.
    """
    statement = signed.statement
    for stream, head in statement.heads.items():
        known = find_followed(account, stream)
        if known is not None and head.seq > known:
            raise GapError(f"the statement saw {stream} seq {head.seq}; only {known} followed here")
    rule = _find_rule(statement.body)
    if rule is not None:
        rule(statement.body, statement, account)
    return statement


def is_tied(body: Body) -> bool:
    """Whether such a body needs something of the other streams."""
    return _find_rule(body) is not None


def _find_rule(body: Body) -> Callable[[Any, Statement, Account], None] | None:
    is_edit = isinstance(body, vault_events.ItemsCommitted) and body.kind is not vault_events.CommitKind.REKEY
    return None if is_edit else _RULES.get(type(body))
