"""The vault stream of an account: wraps, epochs, commits, purges. Spec: vault.md §2."""

from vector_makers.account import (
    GHOST,
    PHONE,
    commit_seed,
    committed,
    digest,
    done,
    retired,
    revoked,
    started,
    taken,
    verified,
    wrapped,
)
from vector_makers.devices_stream import ENROLLED, TRUSTED
from vector_makers.primitives import public_key
from vector_makers.saying import Members
from vector_makers.story import Case, Rules, Story, gather, make_accepted, make_refusals
from vector_makers.vector import VectorFile

RULES: Rules = {
    "speaker": ("§2", "signers", "untrusted_device"),
    "signature": ("§2", "signers", "signature_invalid"),
    **dict.fromkeys(
        (
            "epoch",
            "wrap-version",
            "wrap-commit-key",
            "retired",
            "last-wrap",
            "commit",
            "commit-epoch",
            "purge",
        ),
        ("§2", "transition", "transition_refused"),
    ),
}

WRAPPED = TRUSTED.tell("vault.key_wrapped", wrapped())
COMMITTED = WRAPPED.tell("vault.items_committed", committed(1)).tell("vault.items_committed", committed(2))
REKEYED = (
    COMMITTED.tell("rotation.rotation_started", started("two", past=1))
    .tell("vault.key_wrapped", wrapped(epoch=2, label="two"))
    .tell("rotation.rotation_verified", verified("two", (2, 1)))
    .tell("vault.items_committed", committed(3, 2, "rekey"))
    .tell("vault.items_committed", committed(4, 2, "snapshot"))
    .tell("rotation.rotation_committed", done("two"))
)
RETIRED = REKEYED.tell("vault.wrap_retired", retired())
PURGED = RETIRED.tell("vault.objects_purged", {"through_commit": 3})


def make_file() -> VectorFile:
    """Make the vectors."""
    about = "Which statement may follow in the vault stream of an account; other streams are not asked."
    refused = [*_wraps(), *_commits(), *_speakers(), *_signatures()]
    vectors = [*make_accepted("§2", _followed()), *make_refusals(RULES, refused)]
    return gather("vault_stream", "vault.md", about, vectors)


def _followed() -> list[tuple[str, Story, Members, str]]:
    def amounts(epoch: int, *live: tuple[int, int], commits: int = 0, purged: int = 0) -> Members:
        wraps = [["data_key", *place] for place in live]
        return {"epoch": epoch, "last_commit": commits, "live": wraps, "purged_through": purged}

    repaired = COMMITTED.tell("vault.key_wrapped", wrapped(2))
    return [
        ("the first wrap", WRAPPED, amounts(1, (1, 1)), "It begins epoch 1."),
        ("two commits", COMMITTED, amounts(1, (1, 1), commits=2), "Numbered 1, 2, 3, …"),
        (
            "a commit by another device",
            WRAPPED.tell("vault.items_committed", committed(1), by=PHONE),
            amounts(1, (1, 1), commits=1),
            "Any trusted device that has the data key.",
        ),
        (
            "a commit of a device that is revoked later",
            WRAPPED.tell("devices.device_revoked", revoked(PHONE)).tell(
                "vault.items_committed", committed(1), by=PHONE, seen={"devices": 3}
            ),
            amounts(1, (1, 1), commits=1),
            "It was trusted at the head that it claims. Lineage and services judge further.",
        ),
        ("a repair", repaired, amounts(1, (1, 1), (1, 2), commits=2), "Two wraps of one epoch are live."),
        (
            "one of two wraps is retired",
            _change_key().tell("vault.wrap_retired", retired(1)),
            amounts(1, (1, 2), commits=2),
            "The newest epoch keeps one.",
        ),
        (
            "another epoch",
            Story(REKEYED.records[:-1]),
            amounts(2, (1, 1), (2, 1), commits=4),
            "A snapshot is a commit, too.",
        ),
        (
            "an old wrap is retired",
            RETIRED,
            amounts(2, (2, 1), commits=4),
            "An older epoch may lose its last.",
        ),
        ("a purge", PURGED, amounts(2, (2, 1), commits=4, purged=3), "Through a commit that there is."),
        (
            "the same purge",
            PURGED.tell("vault.objects_purged", {"through_commit": 3}),
            amounts(2, (2, 1), commits=4, purged=3),
            "Not before the last one.",
        ),
    ]


def _change_key() -> Story:
    """A user key change whose new wrap was read back, and which is decided."""
    return (
        COMMITTED.tell("rotation.rotation_started", started("one"))
        .tell("vault.key_wrapped", wrapped(2, "K1", label="one"))
        .tell("rotation.rotation_verified", verified("one", (1, 2)))
        .tell("devices.account_key_changed", taken("one"))
    )


def _wraps() -> list[Case]:
    following = "The version is the last of that secret and epoch + 1, retired ones included."
    known = "An epoch that has begun, or the next."
    live = "The wrap is live with this digest."
    other_key = {**wrapped(2), "commit_key": public_key(commit_seed(2)).hex()}
    retired_twice = RETIRED.tell("vault.key_wrapped", wrapped(2))
    cases: list[tuple[str, str, Story, str, Members, str]] = [
        ("epoch", "epoch 2 first", TRUSTED, "key_wrapped", wrapped(epoch=2), known),
        ("epoch", "an epoch left out", COMMITTED, "key_wrapped", wrapped(epoch=3), known),
        ("wrap-version", "the same again", WRAPPED, "key_wrapped", wrapped(), following),
        ("wrap-version", "one left out", WRAPPED, "key_wrapped", wrapped(3), following),
        ("wrap-version", "a first wrap of version 2", TRUSTED, "key_wrapped", wrapped(2), following),
        (
            "wrap-version",
            "a retired version again",
            RETIRED,
            "key_wrapped",
            {**wrapped(), "wrap": digest("another wrap")},
            following,
        ),
        ("retired", "a version that never was", COMMITTED, "wrap_retired", retired(2), live),
        ("retired", "an epoch that never was", COMMITTED, "wrap_retired", retired(1, 2), live),
        ("retired", "a retired wrap", RETIRED, "wrap_retired", retired(), live),
        (
            "retired",
            "a retired wrap, when another one is live",
            retired_twice,
            "wrap_retired",
            retired(),
            live,
        ),
        (
            "retired",
            "another digest",
            REKEYED,
            "wrap_retired",
            {**retired(), "wrap": digest("another wrap")},
            live,
        ),
        ("last-wrap", "the only wrap", COMMITTED, "wrap_retired", retired(), "Nobody could open the data."),
        (
            "last-wrap",
            "the only wrap of the newest epoch",
            REKEYED,
            "wrap_retired",
            retired(1, 2),
            "A wrap of an older epoch does not open the newest.",
        ),
    ]
    signed = {"commit": commit_seed(2)}
    return [
        *[
            (rule, name, story.then(f"vault.{kind}", body), why)
            for rule, name, story, kind, body, why in cases
        ],
        (
            "wrap-commit-key",
            "another commit key",
            WRAPPED.then("vault.key_wrapped", other_key, keys=signed),
            "All wraps of an epoch hold one data key, and so one commit key.",
        ),
    ]


def _commits() -> list[Case]:
    number = "The last + 1."
    newest = "The newest epoch."
    through = "Not after the last commit, nor before the last purge."
    cases: list[tuple[str, str, Story, str, Members, str]] = [
        ("commit", "the first is 2", WRAPPED, "items_committed", committed(2), number),
        ("commit", "the same number", COMMITTED, "items_committed", committed(2), number),
        ("commit", "one left out", COMMITTED, "items_committed", committed(4), number),
        (
            "commit",
            "a snapshot of the same number",
            COMMITTED,
            "items_committed",
            committed(2, 1, "snapshot"),
            number,
        ),
        ("commit-epoch", "before the first wrap", TRUSTED, "items_committed", committed(1), newest),
        ("commit-epoch", "the epoch before", REKEYED, "items_committed", committed(5), newest),
        (
            "commit-epoch",
            "an epoch that has not begun",
            COMMITTED,
            "items_committed",
            committed(3, 2),
            newest,
        ),
        ("purge", "through a commit to come", REKEYED, "objects_purged", {"through_commit": 5}, through),
        ("purge", "before the last purge", PURGED, "objects_purged", {"through_commit": 2}, through),
    ]
    return [
        (rule, name, story.then(f"vault.{kind}", body), why) for rule, name, story, kind, body, why in cases
    ]


def _speakers() -> list[Case]:
    why = "A device that was trusted at the devices head that it claims."
    gone = WRAPPED.tell("devices.device_revoked", revoked(PHONE))
    pending = ENROLLED.tell("vault.key_wrapped", wrapped())
    commit = "vault.items_committed", committed(1)
    return [
        ("speaker", "a stranger", WRAPPED.then(*commit, by=GHOST), why),
        ("speaker", "a pending device", pending.then(*commit, by=PHONE), why),
        (
            "speaker",
            "a device before it was trusted",
            TRUSTED.then("vault.key_wrapped", wrapped(), by=PHONE, seen={"devices": 2}),
            why,
        ),
        ("speaker", "a revoked device", gone.then(*commit, by=PHONE), why),
        (
            "speaker",
            "a device that claims no devices head",
            TRUSTED.then("vault.key_wrapped", wrapped(), seen={"devices": 0}),
            "A stream that is not claimed counts as empty.",
        ),
        ("speaker", "a stranger retires", REKEYED.then("vault.wrap_retired", retired(), by=GHOST), why),
    ]


def _signatures() -> list[Case]:
    why = "Each signs whom its type names."
    said: dict[str, tuple[Story, str, Members, tuple[str, ...]]] = {
        "a wrap": (TRUSTED, "key_wrapped", wrapped(), ("device", "account", "commit")),
        "a retirement": (REKEYED, "wrap_retired", retired(), ("device", "account")),
        "a commit": (COMMITTED, "items_committed", committed(3), ("device", "commit")),
        "a purge": (REKEYED, "objects_purged", {"through_commit": 3}, ("device", "account")),
    }
    return [
        *[
            (
                "signature",
                f"{name}, not by the {signer}",
                story.then(f"vault.{kind}", body, keys={signer: GHOST}),
                why,
            )
            for name, (story, kind, body, signers) in said.items()
            for signer in signers
        ],
        (
            "signature",
            "a commit by the commit key of the epoch before",
            REKEYED.then("vault.items_committed", committed(5, 2), keys={"commit": commit_seed(1)}),
            "Who has only the old data key cannot write.",
        ),
    ]
