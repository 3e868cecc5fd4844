"""A statement is judged by the heads that it claims, so these must be heads of this history."""

from dataclasses import replace

import pytest

from solekey.errors import HistoryForkError
from solekey_protocol.events import Signer, Stream
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.rotation import PolicySet, RotationReason, RotationStarted
from solekey_protocol.ids import KeyId, RotationId, compute_digest
from solekey_protocol.statements import EMPTY_HEAD, SignedStatement, Statement


def say(home, vault, body, after, heads):
    """Have the laptop say something in the rotation stream, and a server that does not look take it."""
    unlocked = vault.unlocked
    device_key = unlocked.connection.profile.device_key
    statement = Statement(unlocked.account, after.seq + 1, after.digest, heads, device_key.device_id, body)
    account_key = unlocked.keyring.find_signers(body)[Signer.ACCOUNT]
    signatures = {
        Signer.DEVICE: device_key.sign(statement.signing_bytes()),
        Signer.ACCOUNT: account_key.sign(statement.signing_bytes()),
    }
    return home.server.said(home.account, SignedStatement(statement, signatures)).head


def tell(home, *, other_bytes):
    """Somebody who saw the first vault event, or other bytes, starts a rotation; more is said on top."""
    vault = home.unlock("laptop")
    vault.put("a", "1")
    streams = vault.unlocked.streams
    key_id, epoch = streams.devices.key_id, streams.vault.epoch
    started = RotationStarted(
        RotationId.from_raw(bytes(16)),
        RotationKind.USER_KEY,
        RotationReason.REQUESTED,
        key_id,
        KeyId("07" * 16),
        epoch,
        epoch,
    )
    true = streams.heads(besides=Stream.ROTATION)
    seen = streams.events(Stream.VAULT)[0].head
    claimed = replace(seen, digest=compute_digest(b"other bytes")) if other_bytes else seen
    head = say(home, vault, started, EMPTY_HEAD, {**true, Stream.VAULT: claimed})
    say(home, vault, PolicySet(90, 90), head, true)  # whose heads hide what the statement before claimed


def test_a_statement_that_saw_other_bytes_is_a_fork(home):
    tell(home, other_bytes=True)
    with pytest.raises(HistoryForkError):
        home.reopen("laptop").sync()


def test_control_one_that_saw_ours_is_taken(home):
    tell(home, other_bytes=False)
    home.reopen("laptop").sync()
