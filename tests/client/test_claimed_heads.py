"""A statement is judged by the heads that it claims, so these must be heads of this history."""

from dataclasses import replace

import pytest

from solekey.errors import HistoryForkError
from solekey_protocol.events import Signer, Stream
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.rotation import RotationReason, RotationStarted
from solekey_protocol.ids import KeyId, RotationId, compute_digest
from solekey_protocol.statements import SignedStatement


def start(vault, digest=None):
    """Sign the start of a rotation; with a digest, by who claims to have seen other bytes in the vault."""
    unlocked = vault.unlocked
    streams = unlocked.streams
    key_id, epoch = streams.devices.key_id, streams.vault.epoch
    body = RotationStarted(
        RotationId.from_raw(bytes(16)),
        RotationKind.USER_KEY,
        RotationReason.REQUESTED,
        key_id,
        KeyId("07" * 16),
        epoch,
        epoch,
    )
    signers = unlocked.keyring.find_signers(body)
    statement = unlocked.author._sign(body, signers).statement
    if digest is not None:
        seen = replace(statement.heads[Stream.VAULT], seq=1, digest=digest)
        statement = replace(statement, heads={**statement.heads, Stream.VAULT: seen})
    message = statement.signing_bytes()
    device_key = unlocked.connection.profile.device_key
    return SignedStatement(
        statement,
        {Signer.DEVICE: device_key.sign(message), Signer.ACCOUNT: signers[Signer.ACCOUNT].sign(message)},
    )


def test_a_statement_that_saw_other_bytes_is_a_fork(home):
    vault = home.unlock("laptop")
    vault.put("a", "1")
    home.server.said(home.account, start(vault, compute_digest(b"other bytes")))
    vault.put("b", "2")  # a later statement claims what is really there
    with pytest.raises(HistoryForkError):
        home.reopen("laptop").sync()


def test_control_one_that_saw_ours_is_taken(home):
    vault = home.unlock("laptop")
    vault.put("a", "1")
    home.server.said(home.account, start(vault))
    home.reopen("laptop").sync()
