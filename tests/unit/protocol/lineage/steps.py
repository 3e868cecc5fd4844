"""A rotation step by step, as the statements that lead there; and the verdict on a statement."""

from solekey_protocol.errors import (
    LineageError,
)
from solekey_protocol.events import devices
from solekey_protocol.lineage import verify_lineage
from tests.support.protocol.history import (
    abandoned,
    aborted,
    committed,
    completed,
    done,
    rekey,
    retired,
    started,
    taken,
    verified,
    wrapped,
)
from tests.support.protocol.keyring import PHONE

START = [wrapped()]
STAGED = [*START, started("r1")]
WRAPPED = [*STAGED, wrapped(2, "K1", rotation="r1")]
VERIFIED = [*WRAPPED, verified("r1", (1, 2))]
TAKEN = [*VERIFIED, taken("r1")]
COMMITTED = [*TAKEN, done("r1")]
COMPLETED = [*COMMITTED, retired(1), completed("r1")]
ABANDONED = [*VERIFIED, abandoned("r1")]
ABORTED = [*ABANDONED, retired(2), aborted("r1")]

REKEYING = [*START, committed(1), rekey("r1")]
EPOCH_2 = [*REKEYING, wrapped(1, epoch=2, rotation="r1")]
EPOCH_2_VERIFIED = [*EPOCH_2, verified("r1", (2, 1))]
RESEALED = [*EPOCH_2_VERIFIED, committed(2, 2, "rekey"), committed(3, 2, "snapshot")]
REKEYED = [*RESEALED, done("r1")]
REKEYED_BUT_FOR_ONE = [*RESEALED, done("r1", 1)]

ABORTED_EPOCH = [*EPOCH_2, aborted("r1"), rekey("r2")]
"""Epoch 2 was begun for r1; r2 leads from it."""

LOST = devices.DeviceRevoked(PHONE.device, devices.RevocationReason.LOST)


def judge(history, body, seen, **how):
    """The verdict on a statement that claims ``seen``."""
    try:
        verify_lineage(history.sign(body, seen, **how), history.account)
    except LineageError as error:
        return error.code
    return "accepted"
