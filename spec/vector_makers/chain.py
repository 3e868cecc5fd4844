"""Places in a stream, and the heads that a statement claims. Spec: events.md §5.1, §5.2."""

from vector_makers.account import PHONE, certificate, committed, digest, revoked, wrapped
from vector_makers.devices_stream import FOUNDED, TRUSTED
from vector_makers.primitives import OTHER_ACCOUNT
from vector_makers.saying import Members
from vector_makers.story import Case, Rules, Story, gather, make_accepted, make_refusals
from vector_makers.vault_stream import COMMITTED, WRAPPED
from vector_makers.vector import VectorFile

PLACE, HEADS = ("§5.1", "place"), ("§5.2", "heads")
RULES: Rules = {
    "stream": (*PLACE, "chain_broken"),
    "repetition": (*PLACE, "chain_broken"),
    "gap": (*PLACE, "sequence_gap"),
    "fork": (*PLACE, "chain_fork"),
    "heads-back": (*PLACE, "chain_fork"),
    "ahead": (*HEADS, "sequence_gap"),
    "other-history": (*HEADS, "chain_fork"),
}
FACT = "auth.login_failed", {"stage": "login_key"}
REGISTERED = Story().tell("auth.account_registered", {"credential_version": 1})
COMMIT = "vault.items_committed", committed(3)


def make_file() -> VectorFile:
    """Make the vectors."""
    about = "Whether a record continues its stream, and what its author claims to have seen of others."
    vectors = [*make_accepted("§5.1", _followed()), *make_refusals(RULES, [*_places(), *_heads()])]
    return gather("chain", "events.md", about, vectors)


def _followed() -> list[tuple[str, Story, Members, str]]:
    return [
        ("the first record", REGISTERED, {}, "Before it: 64 zeros."),
        ("the second record", REGISTERED.tell(*FACT), {}, "prev is the SHA-256 of the first."),
        ("the same heads again", COMMITTED, {}, "Standing still is not going back."),
        (
            "an author who is behind another stream",
            WRAPPED.tell("devices.device_enrolled", _enrolment(), by=PHONE_2).tell(
                "vault.items_committed", committed(1), seen={"devices": 3}
            ),
            {},
            "It was said in ignorance of the newest record; the stream itself knows no more.",
        ),
    ]


PHONE_2 = bytes(reversed(PHONE))


def _enrolment() -> Members:
    return {"certificate": certificate(PHONE_2)}


def _places() -> list[Case]:
    kind, body = FACT
    two = REGISTERED.tell(*FACT)
    last = two.head("auth")
    first = two.head("auth", 1)

    def place(story: Story, name: str, rule: str, why: str, **place: object) -> Case:
        return rule, name, story.then(kind, body, place=place), why

    return [
        place(two, "another account's record", "stream", "One account's stream.", account=OTHER_ACCOUNT),
        place(two, "the last place again", "repetition", "Followed already.", seq=2, prev=first["digest"]),
        place(two, "the first place again", "repetition", "Followed already.", seq=1, prev="0" * 64),
        place(two, "one record is missing", "gap", "Place 3 comes next.", seq=4),
        place(two, "a stream that does not begin at 1", "gap", "Place 3 comes next.", seq=2**31 - 1),
        place(Story(), "a second record first", "gap", "Place 1 comes first.", seq=2, prev=last["digest"]),
        place(two, "after other bytes", "fork", "prev is SHA-256 of the last record.", prev=digest("other")),
        place(two, "after the record before the last", "fork", "The last one.", prev=first["digest"]),
        place(Story(), "a first record after something", "fork", "64 zeros.", prev=last["digest"]),
        place(two, "after nothing", "fork", "prev is SHA-256 of the last record.", prev="0" * 64),
    ]


def _heads() -> list[Case]:
    back = "Who saw a record cannot be followed by somebody who has not."
    gone = COMMITTED.tell("devices.device_revoked", revoked(PHONE)).tell(*COMMIT)
    commit = "vault.items_committed", committed(4)
    seen = gone.head("devices")
    cases = {
        "one place back": gone.then(*commit, seen={"devices": 3}),
        "left out": gone.then(*commit, seen={"devices": 0}),
        "the same place of another history": gone.then(
            *commit, seen={"devices": {**seen, "digest": digest("other")}}
        ),
        "another stream's, in devices": TRUSTED.tell("vault.key_wrapped", wrapped())
        .tell("devices.device_enrolled", _enrolment(), by=PHONE_2)
        .then("devices.device_revoked", revoked(PHONE), seen={"vault": 0}),
    }
    return [
        *[("heads-back", name, told, back) for name, told in cases.items()],
        (
            "ahead",
            "a devices head that nobody has shown",
            WRAPPED.then(
                "vault.items_committed",
                committed(1),
                seen={"devices": {"digest": digest("to come"), "seq": 4}},
            ),
            "A verifier cannot judge before it has followed devices so far.",
        ),
        (
            "other-history",
            "a devices head with other bytes",
            TRUSTED.then(
                "vault.key_wrapped",
                wrapped(),
                seen={"devices": {**TRUSTED.head("devices"), "digest": digest("other")}},
            ),
            "Its author follows another history.",
        ),
        (
            "other-history",
            "an older devices head with other bytes",
            TRUSTED.then(
                "vault.key_wrapped",
                wrapped(),
                seen={"devices": {**FOUNDED.head("devices"), "digest": digest("other")}},
            ),
            "Its author follows another history.",
        ),
    ]
