"""D, continued: rotations without their steps, and what nobody can tell."""

from dataclasses import replace

from solekey_protocol.events import auth, devices, rotation, vault
from tamper.classes.collusion import COLLUSION, GHOST, operator, say, until
from tamper.people import digest
from tamper.stories import ADA, DAYS, LAPTOP, PHONE, login
from tamper.tampering import Outcome, both, change, drop, insert

_lie = COLLUSION.lie

# User key changes
_lie(
    "read back were other wraps",
    change("ada.change verified", body=replace(ADA.verify("change", (1, 2)), wraps=digest("wraps"))),
    "ada.change verified",
    "LIN-01",
)
_lie(
    "read back were two",
    change("ada.change verified", body=replace(ADA.verify("change", (1, 2)), count=2)),
    "ada.change verified",
    "LIN-01",
)
_lie(
    "the key changes before the wraps were read back",
    drop("ada.change verified"),
    "ada.change taken",
    "LIN-01",
)
_lie("nothing was wrapped under the new key", drop("ada.change wrapped 1"), "ada.change verified", "LIN-01")
_lie("committed, and the key never changed", drop("ada.change taken"), "ada.change committed", "LIN-01")
_lie(
    "the change names another rotation",
    change("ada.change taken", body=ADA.change_key("other", 1, LAPTOP, PHONE)),
    "ada.change taken",
    "LIN-01",
)
_lie(
    "the change is to another key",
    change(
        "ada.change taken", body=replace(ADA.change_key("change", 1, LAPTOP, PHONE), key_id=ADA.key_id(3))
    ),
    "ada.change taken",
    "LIN-01",
    "SIG-02",
)
_lie(
    "the change leaves a device out",
    change("ada.change taken", body=ADA.change_key("change", 1, LAPTOP)),
    "ada.change taken",
    "SIG-02",
)
_lie(
    "the change certifies a ghost",
    change("ada.change taken", body=ADA.change_key("change", 1, LAPTOP, PHONE, GHOST)),
    "ada.change taken",
    "SIG-02",
)
_lie("completed with the old wrap live", drop("ada.change retired 1"), "ada.change completed", "LIN-01")
_lie(
    "committed before it was verified",
    drop("ada.change verified", "ada.change taken"),
    "ada.change committed",
    "SIG-02",
)
_lie(
    "taken, and given up all the same",
    both(
        drop("ada.change committed", "ada.change completed"),
        insert(say(74, rotation.RotationAborted(ADA.saga("change"), rotation.AbortReason.USER_REQUEST))),
    ),
    "lie",
    "LIN-01",
)
_lie(
    "abandoned after it was taken",
    insert(say(75.5, devices.KeyChangeAbandoned(ADA.saga("change"), ADA.key_id(1)))),
    "lie",
    "SIG-02",
)
_lie(
    "it leads from a key that is not in force",
    change("ada.second change started", body=ADA.start("second change", (0, 2), (2, 2), "revocation")),
    "ada.second change started",
    "LIN-01",
    "SIG-02",
)
_lie(
    "it leads from an epoch that is not the newest",
    change("ada.second change started", body=ADA.start("second change", (1, 2), (1, 1), "revocation")),
    "ada.second change started",
    "LIN-01",
)
_lie(
    "it leads to a key that the account had",
    change("ada.second change started", body=ADA.start("second change", (1, 0), (2, 2), "revocation")),
    "ada.second change started",
    "SIG-02",
)
_lie(
    "the id of a rotation is used again",
    insert(say(600, ADA.start("change", (2, 3), (3, 3)))),
    "lie",
    "SIG-02",
)
_lie("two rotations are open", insert(say(70.5, ADA.start("other", (0, 3), (1, 1)))), "lie", "SIG-02")

# Re-keys
_lie(
    "the epoch was begun by another rotation",
    change("ada.rekey wrapped", body=ADA.wrap(2, 1, 1, "other")),
    "ada.rekey wrapped",
    "LIN-01",
)
_lie(
    "nothing was re-encrypted",
    both(
        drop("ada.rekey rekeyed"),
        change("ada.rekey snapshot", body=ADA.commit(3, 4, 2, "snapshot")),
        change("ada.rekey purged", body=vault.ObjectsPurged(3)),
        until("ada.rekey completed"),
    ),
    "ada.rekey committed",
    "ROT-01",
)
_lie(
    "no snapshot follows the new epoch",
    both(drop("ada.rekey snapshot", "ada.rekey purged"), until("ada.rekey committed")),
    "ada.rekey committed",
    "LIN-01",
)
_lie("completed without a purge", drop("ada.rekey purged"), "ada.rekey completed", "ROT-01")
_lie("completed with the old epoch's wrap live", drop("ada.rekey retired"), "ada.rekey completed", "LIN-01")
_lie(
    "the old wrap is retired before the re-key is committed",
    both(drop("ada.rekey retired"), insert(say(93.5, ADA.retire(1, 2)))),
    "lie",
    "LIN-01",
)
_lie(
    "left epochs that are newer",
    change("ada.rekey committed", body=rotation.RotationCommitted(ADA.saga("rekey"), (2,))),
    "ada.rekey committed",
    "SIG-02",
)
_lie(
    "a policy of five days, a key that is never rotated, and the operator says nothing",
    insert(say(700, rotation.PolicySet(5, 3650, rotation.Enforcement.ADVISORY))),
    "ada.second change taken",
    "ROT-03",
)

_MONTH = 30 * DAYS + 9_000
_IDLE = insert(
    operator(1_000, auth.SessionEnded(ADA.session("first"), auth.SessionEnd.LOGOUT), "out"),
    operator(_MONTH, login(ADA, "last", LAPTOP, _MONTH), "login"),
)
_lie(
    "after a revocation nobody rotates, for a month",
    both(until("ada.phone ended"), _IDLE),
    "ada.revoked",
    "ROT-05",
    outcome=Outcome.NOTICED,
)
_lie(
    "a rotation is due, and nobody rotates for a month",
    both(until("ada.phone ended"), _IDLE),
    "ada.due user",
    "ROT-05",
    outcome=Outcome.NOTICED,
)

# What nobody can tell
_lie(
    "a re-key that keeps the data key",
    lambda story: story,
    None,
    outcome=Outcome.IMPOSSIBLE,
    reason="a commit key is derived for its epoch: only who opens both wraps sees that the data key is one",
)
_lie(
    "a wrap whose bytes hold something else",
    lambda story: story,
    None,
    outcome=Outcome.IMPOSSIBLE,
    reason="the log has a wrap's digest: what the bytes are, who has the user key sees when it opens them",
)
_lie(
    "a client that shows its user's words to the operator",
    lambda story: story,
    None,
    outcome=Outcome.IMPOSSIBLE,
    reason="the log shows that a device's key signed, not what else the device did",
)
