"""C and D, continued: what is called a re-key and is none; sizes, epochs and tokens that cannot be."""

from dataclasses import replace

from solekey_protocol.events import auth, rotation
from tamper.classes.collusion import COLLUSION, say, until
from tamper.classes.editing import edit
from tamper.classes.facts import FACTS
from tamper.stories import ADA, DAYS, LAPTOP, login
from tamper.tampering import both, change, insert
from tamper.writing import Step

_lie = COLLUSION.lie
_LATE = 10 * DAYS + 43_200 + 61
"""Just too late for a session that was opened on the tenth day."""

# Writes that are called re-keys, since writes wait for a rotation
_lie(
    "a write is called a re-key, and nothing is being rotated",
    both(until("ada.due data"), insert(say(412, ADA.commit(6, 1, 2, "rekey")))),
    "lie",
    "LIN-01",
)
_lie(
    "a write is called a re-key in the first epoch",
    both(until("ada.policy"), insert(say(61, ADA.commit(3, 1, 1, "rekey")))),
    "lie",
    "LIN-01",
)
_lie(
    "a re-key is begun and given up, so that writes can be called one",
    both(
        until("ada.due data"),
        insert(
            say(412, ADA.start("third", (1, 1), (2, 3), "revocation"), "start"),
            say(413, ADA.wrap(3, 1, 1, "third"), "wrap"),
            say(414, ADA.verify("third", (3, 1)), "verify"),
            say(415, rotation.RotationAborted(ADA.saga("third"), rotation.AbortReason.USER_REQUEST), "abort"),
            say(416, ADA.commit(6, 1, 3, "rekey")),
        ),
    ),
    "lie",
    "LIN-01",
)
_lie(
    "an open re-key re-encrypts more than there was",
    both(until("ada.rekey rekeyed"), insert(say(93.5, ADA.commit(4, 4, 2, "rekey")))),
    "lie",
    "COM-01",
)
_lie(
    "a re-key leaves items in an epoch whose wrap is retired",
    change("ada.second rekey committed", body=rotation.RotationCommitted(ADA.saga("second rekey"), (1,))),
    "ada.second rekey committed",
    "LIN-01",
)

# Sizes that no envelopes have
_lie(
    "three items of no bytes",
    change("ada.commit 1", body=replace(ADA.commit(1, 3), bytes=0)),
    "ada.commit 1",
    "COM-01",
)
_lie(
    "a removal of some bytes",
    change("ada.later delta", body=replace(ADA.commit(9, 0, 3), bytes=346)),
    "ada.later delta",
    "COM-01",
)
_lie(
    "an item that is shorter than the shortest",
    change("ada.later delta", body=replace(ADA.commit(9, 1, 3), bytes=345)),
    "ada.later delta",
    "COM-01",
)
_lie(
    "an item that is longer than the longest",
    change("ada.later delta", body=replace(ADA.commit(9, 1, 3), bytes=2**53 - 1)),
    "ada.later delta",
    "COM-01",
)
_lie(
    "a re-key of fewer bytes than so many items have",
    change("ada.rekey rekeyed", body=replace(ADA.commit(3, 4, 2, "rekey"), bytes=3 * 346)),
    "ada.rekey rekeyed",
    "COM-01",
)
_lie(
    "a snapshot of more bytes than were ever sent",
    change("ada.rekey snapshot", body=replace(ADA.commit(4, 4, 2, "snapshot"), bytes=2**20)),
    "ada.rekey snapshot",
    "COM-01",
)
_lie(
    "a snapshot of fewer bytes than were just sent",
    change("ada.rekey snapshot", body=replace(ADA.commit(4, 4, 2, "snapshot"), bytes=346)),
    "ada.rekey snapshot",
    "COM-01",
)

# Tokens and ends
FACTS.add(
    "a refresh token comes back that is older than the first",
    edit("ben.reuse", lambda record: record["data"]["body"].update(generation=0), rehash=True),
    "REC-02",
)
FACTS.lie(
    "a user logs out of a session that was over",
    change("ada.later end", at=_LATE, body=auth.SessionEnded(ADA.session("later"), auth.SessionEnd.LOGOUT)),
    "ada.later end",
    "SES-03",
)
FACTS.lie(
    "a user ends a session from another that was over",
    both(
        change("ada.logout", at=900, body=auth.SessionEnded(ADA.session("first"), auth.SessionEnd.LOGOUT)),
        change(
            "ada.later end",
            at=11 * DAYS + 43_200 + 61,
            body=auth.SessionEnded(ADA.session("later"), auth.SessionEnd.ENDED_BY_USER),
        ),
    ),
    "ada.later end",
    "SES-09",
)
FACTS.lie(
    "another session is ended, and nobody has proven a factor",
    insert(
        Step("other", 10 * DAYS + 10, ADA, login(ADA, "other", LAPTOP, 10 * DAYS + 10)),
        Step(
            "lie",
            10 * DAYS + 9_000,
            ADA,
            auth.SessionEnded(ADA.session("other"), auth.SessionEnd.ENDED_BY_USER),
        ),
    ),
    "lie",
    "SES-08",
)
