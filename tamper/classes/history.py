"""A: history is rewritten: records changed, dropped, swapped, replayed, forged, signed by others."""

from collections.abc import Callable
from typing import Any, Final

from tamper.classes.editing import edit, leave_out, leave_out_stream, move
from tamper.people import Device
from tamper.stories import ADA, BEN, LAPTOP, PHONE
from tamper.tampering import Family
from tamper.writing import moment
from tests.support.keys import Key

HISTORY = Family("A", "history is rewritten")
_add = HISTORY.add
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_MALLORY: Final = Device("mallory")
_FORGED: Final = Key("a user key of the operator's")


def flip(*path: str, bit: int = 0) -> Callable[[dict[str, Any]], None]:
    """Flip a bit of a hexadecimal member."""

    def change(document: dict[str, Any]) -> None:
        for name in path[:-1]:
            document = document[name]
        text = document[path[-1]]
        document[path[-1]] = format(int(text[0], 16) ^ (1 << bit), "x") + text[1:]

    return change


def put(*path: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Put another value in the place of a member."""

    def change(document: dict[str, Any]) -> None:
        for name in path[:-1]:
            document = document[name]
        assert document.get(path[-1]) != value, path  # a class that changes nothing proves nothing
        document[path[-1]] = value

    return change


def take(*path: str) -> Callable[[dict[str, Any]], None]:
    """Take a member away."""

    def change(document: dict[str, Any]) -> None:
        for name in path[:-1]:
            document = document[name]
        del document[path[-1]]

    return change


_BODY, _SIGNATURES = ("data", "statement", "body"), ("data", "signatures")

# Bits
_add("a bit of the device's signature", edit("ada.commit 1", flip(*_SIGNATURES, "device")), "SIG-01")
_add("a bit of the commit signature", edit("ada.commit 1", flip(*_SIGNATURES, "commit")), "SIG-01")
_add("a bit of the account's signature", edit("ada.policy", flip(*_SIGNATURES, "account")), "SIG-01")
_add(
    "a bit of the next account key's signature",
    edit("ada.change taken", flip(*_SIGNATURES, "next_account")),
    "SIG-01",
)
_add("a bit of a change list's digest", edit("ada.phone commit", flip(*_BODY, "changes")), "SIG-01")
_add("a bit of a wrap's digest", edit("ada.wrapped", flip(*_BODY, "wrap")), "SIG-01")
_add(
    "a bit of a claimed head",
    edit("ada.commit 1", flip("data", "statement", "heads", "devices", "digest")),
    "CHN-02",
    "SIG-01",
)
_add("a bit of the hash before", edit("ada.codes", flip("prev")), "CHN-02")
_add("a bit of a factor's id", edit("ada.codes", flip("data", "body", "factor_id")), "CHN-03")

# Values
_add("the count of a commit", edit("ada.phone commit", put(*_BODY, "count", value=7)), "SIG-01")
_add("the epoch of a commit", edit("ada.phone delta", put(*_BODY, "epoch", value=1)), "SIG-01", "SIG-02")
_add("the reason of a revocation", edit("ada.revoked", put(*_BODY, "reason", value="replaced")), "SIG-01")
_add(
    "whom a revocation revokes",
    edit("ada.revoked", put(*_BODY, "device", value=LAPTOP.certificate.device)),
    "SIG-01",
)
_add("the policy", edit("ada.policy", put(*_BODY, "data_key_max_age_days", value=3650)), "SIG-01")
_add(
    "who speaks",
    edit("ada.commit 1", put("data", "statement", "device", value=PHONE.certificate.device)),
    "SIG-01",
)
_add(
    "heads are taken away",
    edit("ada.phone commit", put("data", "statement", "heads", value={})),
    "SIG-01",
    "CHN-02",
)
_add(
    "the time of a statement's event",
    edit("ada.phone commit", put("time", value=moment(39))),
    "CHN-02",
    "CHN-03",
)
_add(
    "the time of a fact, with all hashes after it",
    edit("ada.codes", put("time", value=moment(15)), rehash=True),
    "CHN-03",
)
_add(
    "a fact's body, with all hashes after it",
    edit("ada.login", put("data", "body", "device", value=PHONE.certificate.device), rehash=True),
    "CHN-03",
)
_add(
    "the cause of a failed login, which clients have seen",
    edit("ada.failed", put("data", "body", "stage", value="login_key"), rehash=True),
    "CHN-03",
)

# The envelope
_add("another specversion", edit("ada.codes", put("specversion", value="1.1")), "REC-02")
_add("another id", edit("ada.codes", put("id", value=f"{ADA.account}:auth:9")), "REC-02")
_add("another source", edit("ada.codes", put("source", value="solekey/vault")), "REC-02")
_add("another content type", edit("ada.codes", put("datacontenttype", value="text/plain")), "REC-02")
_add(
    "another stream",
    edit("ada.codes", put("stream", value="vault")),
    "REC-02",
    named=False,
    reason="it claims another stream",
)
_add("another type", edit("ada.codes", put("type", value="solekey.auth.mfa_removed.v1")), "CHN-03")
_add(
    "a type that there is not", edit("ada.codes", put("type", value="solekey.auth.mfa_enrolled.v2")), "REC-02"
)
_add("a time with an offset", edit("ada.codes", put("time", value="2026-11-20T13:00:20.000+01:00")), "REC-02")
_add(
    "a day that does not exist",
    edit("ada.codes", put("time", value="2026-11-31T12:00:20.000Z")),
    "REC-02",
    "REC-01",
)
_add(
    "another subject",
    edit("ada.codes", put("subject", value=BEN.account)),
    "REC-02",
    named=False,
    reason="it claims another account",
)
_add(
    "seq 0",
    edit("ada.codes", put("seq", value=0)),
    "REC-02",
    named=False,
    reason="it claims no place that there is",
)
_add(
    "a negative seq",
    edit("ada.codes", put("seq", value=-4)),
    "REC-02",
    named=False,
    reason="it claims no place that there is",
)
_add(
    "a statement of another place",
    edit("ada.phone commit", put("seq", value=9)),
    "REC-02",
    named=False,
    reason="it claims another place",
)
_add("a member is missing", edit("ada.codes", take("source")), "REC-02")
_add("a member more: in the record", edit("ada.codes", put("comment", value="c2VjcmV0")), "REC-02")
_add("a member more: in a fact's data", edit("ada.codes", put("data", "key", value="c2VjcmV0")), "REC-02")
_add(
    "a member more: in a fact's body",
    edit("ada.codes", put("data", "body", "key", value="c2VjcmV0")),
    "REC-02",
)
_add(
    "a member more: in a statement",
    edit("ada.phone commit", put("data", "statement", "key", value="c2VjcmV0")),
    "REC-02",
)
_add(
    "a member more: in a statement's body",
    edit("ada.phone commit", put(*_BODY, "key", value="c2VjcmV0")),
    "REC-02",
)
_add(
    "a member more: in the heads",
    edit(
        "ada.phone commit",
        put("data", "statement", "heads", "transparency", value={"seq": 1, "digest": "0" * 64}),
    ),
    "REC-02",
    "CHN-02",
    "SIG-01",
)
_add(
    "a signature more",
    edit("ada.phone commit", put(*_SIGNATURES, "account", value="0" * 128)),
    "REC-02",
    "SIG-01",
)
_add("a fact where a statement belongs", edit("ada.phone commit", put("data", value={"body": {}})), "REC-02")
_add(
    "text where a digest belongs",
    edit("ada.phone commit", put(*_BODY, "changes", value="the spare key is under the pot")),
    "REC-02",
)
_add(
    "a public key of small order",
    edit("ada.phone enrolled", put(*_BODY, "certificate", "device_key", value="01" + "00" * 31)),
    "REC-02",
    "REC-01",
)

# Dropped
_add(
    "the first event of auth, with all hashes after it",
    leave_out("ada.registered", rehash=True),
    "CHN-03",
    "SES-01",
)
_add("a fact from the middle, with all hashes after it", leave_out("ada.codes", rehash=True), "CHN-03")
_add("a fact from the middle", leave_out("ada.codes"), "CHN-03")
_add("a statement from the middle of devices", leave_out("ada.phone trusted"), "CHN-03")
_add("a statement from the middle of vault", leave_out("ada.phone commit"), "CHN-03")
_add("a statement from the middle of rotation", leave_out("ada.policy"), "CHN-03")
_add("a revocation", leave_out("ada.revoked"), "CHN-03")
_add(
    "a revocation, and what followed from it",
    leave_out("ada.revoked", "ada.phone ended", "ada.due user", "ada.due data", rehash=True),
    "CHN-03",
    "SIG-01",
    "CHN-01",
    "REC-02",
)
_add(
    "a due rotation, with all hashes after it",
    leave_out("ada.due data", rehash=True),
    "CHN-03",
    "REC-02",
    named=False,
    reason="the statements behind it name another place: they are found",
)
_add("all of auth", leave_out_stream("ada.registered"), "CHN-03")
_add("all of devices", leave_out_stream("ada.founded"), "CHN-03")
_add("all of vault", leave_out_stream("ada.wrapped"), "CHN-03")
_add("all of rotation", leave_out_stream("ada.policy"), "CHN-03")

# Swapped and replayed
_add(
    "two facts change places, with all hashes after them",
    move("ada.codes", "ada.failed", rehash=True),
    "CHN-03",
)
_add("two commits change places", move("ada.commit 1", "ada.phone commit", rehash=False), "REC-02", "CHN-02")
