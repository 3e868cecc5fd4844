"""What one stream may say because another says so. Spec: lineage.md §3."""

from vector_makers.account import (
    ACCOUNT_SEEDS,
    KEY_IDS,
    PHONE,
    abandoned,
    aborted,
    committed,
    digest,
    done,
    retired,
    revoked,
    rotation,
    started,
    taken,
    verified,
    wrapped,
)
from vector_makers.rotation_stream import ABANDONED, ABORTED, COMPLETED, DECIDED, DUE, STAGED, TAKEN, VERIFIED
from vector_makers.saying import Members
from vector_makers.story import Case, Rules, Story, gather, make_accepted, make_refusals
from vector_makers.vault_stream import COMMITTED, PURGED, REKEYED, RETIRED
from vector_makers.vector import VectorFile

RULES: Rules = {
    "ahead": ("§1", "heads", "sequence_gap"),
    "trusted-there": ("§3.1", "signers", "untrusted_device"),
    "account-key-there": ("§3.1", "signers", "signature_invalid"),
    "start": ("§3.2", "lineage", "stale_heads"),
    "known-key": ("§3.2", "lineage", "key_not_current"),
    "verify-all": ("§3.2", "lineage", "rotation_incomplete"),
    "verify-same": ("§3.2", "lineage", "wraps_differ"),
    "change-open": ("§3.2", "lineage", "rotation_incomplete"),
    "change-same": ("§3.2", "lineage", "wraps_differ"),
    "abandon-open": ("§3.2", "lineage", "rotation_incomplete"),
    "commit-taken": ("§3.2", "lineage", "rotation_incomplete"),
    "complete-retired": ("§3.2", "lineage", "rotation_incomplete"),
    "abort-undecided": ("§3.2", "lineage", "rotation_incomplete"),
    "abort-taken": ("§3.2", "lineage", "rotation_irrevocable"),
    "abort-retired": ("§3.2", "lineage", "rotation_incomplete"),
    "rekey-own-epoch": ("§3.3", "lineage", "rotation_incomplete"),
    "rekey-same": ("§3.3", "lineage", "wraps_differ"),
    "rekey-snapshot": ("§3.3", "lineage", "rotation_incomplete"),
    "rekey-retired": ("§3.3", "lineage", "rotation_incomplete"),
    "rekey-left": ("§3.3", "lineage", "rotation_incomplete"),
    "rekey-nothing": ("§3.3", "lineage", "rotation_incomplete"),
    "wrap-key": ("§3.4", "lineage", "key_not_current"),
    "wrap-rotation": ("§3.4", "lineage", "key_not_current"),
    "wrap-epoch": ("§3.4", "lineage", "key_not_current"),
    "retire-undecided": ("§3.4", "lineage", "wrap_in_use"),
    "retire-unproven": ("§3.4", "lineage", "wrap_in_use"),
    "retire-left": ("§3.4", "lineage", "wrap_in_use"),
}
START, VERIFY = "rotation.rotation_started", "rotation.rotation_verified"
COMMIT = "rotation.rotation_committed"
COMPLETE, ABORT = "rotation.rotation_completed", "rotation.rotation_aborted"
CHANGE, ABANDON = "devices.account_key_changed", "devices.key_change_abandoned"
WRAP, RETIRE, ITEMS = "vault.key_wrapped", "vault.wrap_retired", "vault.items_committed"
ONE, TWO = {"rotation": rotation("one")}, {"rotation": rotation("two")}

REKEY = COMMITTED.tell(START, started("two", past=1))
BEGUN = REKEY.tell(WRAP, wrapped(epoch=2, label="two"))
READ_BACK = BEGUN.tell(VERIFY, verified("two", (2, 1)))
SNAPSHOT = READ_BACK.tell(ITEMS, committed(3, 2, "snapshot"))
LEFT = SNAPSHOT.tell(COMMIT, done("two", 1))
LEFT_COMPLETED = LEFT.tell(COMPLETE, TWO)


def make_file() -> VectorFile:
    """Make the vectors."""
    about = "Whether the streams together bear out a statement, at the heads that it claims."
    refused = [*_heads(), *_starts(), *_changes(), *_ends(), *_rekeys(), *_wraps(), *_retirements()]
    vectors = [*make_accepted("§3", _followed()), *make_refusals(RULES, refused)]
    return gather("lineage", "lineage.md", about, vectors)


def _followed() -> list[tuple[str, Story, Members, str]]:
    repaired = COMPLETED.tell(WRAP, wrapped(3, "K1"))
    settled = LEFT_COMPLETED.tell(ITEMS, committed(4, 2, "snapshot"))
    seen = {"devices": VERIFIED.head("devices")["seq"]}
    stories: dict[str, tuple[Story, str]] = {
        "a user key change": (COMPLETED, "From start to completion."),
        "a user key change that was given up": (ABORTED, "The decision is abandoned; its wraps are retired."),
        "a start by who has not seen the newest commit": (
            COMMITTED.tell(START, started("one"), seen={"vault": 2}),
            "Commits do not matter to it.",
        ),
        "another change after one that was given up": (
            ABORTED.tell(START, started("two", "K2")),
            "It leads to a third key.",
        ),
        "a retirement by who has not seen the commitment": (
            DECIDED.tell(RETIRE, retired(1), seen={"rotation": 2}),
            "The decision is in devices; the verification was seen.",
        ),
        "a commit by who has not seen the decision": (
            TAKEN.tell(ITEMS, committed(3), seen=seen),
            "A data key outlives user keys.",
        ),
        "a re-key": (RETIRED.tell(COMPLETE, TWO), "From start to completion."),
        "a re-key that was given up": (BEGUN.tell(ABORT, aborted("two")), "Until it is committed."),
        "a re-key that leaves an epoch": (LEFT_COMPLETED, "The wrap of the epoch that it names stays."),
        "an epoch that was left, after a snapshot": (
            settled.tell(RETIRE, retired(1)),
            "The work was finished outside of a rotation.",
        ),
        "what a re-key has left is re-encrypted": (
            LEFT_COMPLETED.tell(ITEMS, committed(4, 2, "rekey")),
            "The wrap of the epoch that it named is live.",
        ),
        "a re-encryption by who has not seen the commitment": (
            REKEYED.tell(ITEMS, committed(5, 2, "rekey"), seen={"rotation": 2}),
            "Two devices may be at work; the change lists say that nothing is done twice.",
        ),
        "a repair": (repaired, "Under the user key in force, naming no rotation."),
        "a re-key with what is due": (DUE.tell(START, started("two", past=1)), "The kinds are independent."),
        "a purge": (PURGED, "It needs nothing of other streams."),
    }
    return [(name, story, {}, why) for name, (story, why) in stories.items()]


def _heads() -> list[Case]:
    to_come = {"digest": digest("to come"), "seq": 9}
    wait = "A verifier cannot judge before it has followed so far."
    seen = {"devices": TAKEN.head("devices")["seq"]}
    gone = COMMITTED.tell("devices.device_revoked", revoked(PHONE))
    old = {"account": ACCOUNT_SEEDS["K0"]}
    return [
        ("ahead", "a vault head", COMMITTED.then(START, started("one"), seen={"vault": to_come}), wait),
        ("ahead", "a rotation head", TAKEN.then(RETIRE, retired(1), seen={"rotation": to_come}), wait),
        (
            "trusted-there",
            "a device that was revoked there",
            gone.then(START, started("one"), by=PHONE),
            "It claims to have seen its own end.",
        ),
        (
            "account-key-there",
            "the key before, where the new one has taken over",
            TAKEN.then(COMMIT, done("one"), keys=old),
            "The user key in force at the claimed head.",
        ),
        (
            "account-key-there",
            "the new key, where the old one is in force",
            TAKEN.then(COMMIT, done("one"), seen={"devices": seen["devices"] - 1}),
            "The user key in force at the claimed head.",
        ),
    ]


def _starts() -> list[Case]:
    def start(rule: str, name: str, story: Story, body: Members, why: str, **how: object) -> Case:
        return rule, name, story.then(START, body, **how), why

    leads = "From the account's user key and the newest epoch that was seen."
    known = "A user key never comes back."
    return [
        start(
            "start", "from a key that never was the account's", COMMITTED, started("one", "K1", "K2"), leads
        ),
        start("start", "from the key before", COMPLETED, started("two", "K2", "K0"), leads),
        start("start", "from an epoch before", RETIRED.tell(COMPLETE, TWO), started("one"), leads),
        start("start", "from an epoch to come", COMMITTED, started("one", epoch=2), leads),
        start("start", "a re-key from the key before", COMPLETED, started("two", past=1), leads),
        start(
            "start",
            "from an epoch that its author has not seen",
            COMMITTED,
            started("one"),
            leads,
            seen={"vault": 0},
        ),
        start(
            "known-key",
            "to the key before",
            COMPLETED,
            started("two", "K0", "K1"),
            f"{known} The rotation stream refuses it, too (rotation.md §2 new-key); lineage comes first.",
        ),
        start(
            "known-key",
            "to an abandoned key",
            ABORTED,
            started("two", "K1"),
            f"{known} The rotation stream refuses it, too (rotation.md §2 new-key); lineage comes first.",
        ),
    ]


def _changes() -> list[Case]:
    same = "Exactly the live wraps under the new key."
    first = COMMITTED.tell(START, started("one"))
    old_epoch = LEFT_COMPLETED.tell(START, started("one", epoch=2)).tell(
        WRAP, wrapped(2, "K1", 2, label="one")
    )
    more = VERIFIED.tell(WRAP, wrapped(3, "K1", label="one"))
    opened = "The open, verified change to this very key."
    return [
        (
            "verify-all",
            "before any new wrap",
            first.then(VERIFY, verified("one", (1, 1))),
            "No live secret is wrapped under the new key.",
        ),
        (
            "verify-all",
            "an epoch that was left out",
            old_epoch.then(VERIFY, verified("one", (2, 2))),
            "Each live secret and epoch, older ones too.",
        ),
        (
            "verify-all",
            "by who has not seen the new wrap",
            STAGED.then(VERIFY, verified("one", (1, 2)), seen={"vault": 3}),
            "At the claimed head there is none.",
        ),
        ("verify-same", "another count", STAGED.then(VERIFY, {**verified("one", (1, 2)), "count": 2}), same),
        ("verify-same", "another digest", STAGED.then(VERIFY, verified("one", (1, 1))), same),
        (
            "verify-same",
            "one wrap of two",
            STAGED.tell(WRAP, wrapped(3, "K1", label="one")).then(VERIFY, verified("one", (1, 2))),
            same,
        ),
        ("change-open", "without a rotation", COMMITTED.then(CHANGE, taken("one")), opened),
        ("change-open", "before it was verified", STAGED.then(CHANGE, taken("one")), opened),
        (
            "change-open",
            "by who has not seen the verification",
            VERIFIED.then(CHANGE, taken("one"), seen={"rotation": 1}),
            opened,
        ),
        ("change-open", "of another rotation", VERIFIED.then(CHANGE, taken("two")), opened),
        ("change-open", "to another key", VERIFIED.then(CHANGE, taken("one", "K2")), opened),
        (
            "change-open",
            "of a re-key",
            READ_BACK.then(CHANGE, {**taken("two"), "key_id": KEY_IDS["K0"]}),
            f"{opened} The devices stream refuses it, too; lineage comes first.",
        ),
        (
            "change-same",
            "a wrap that nobody read back",
            more.then(CHANGE, taken("one")),
            "A wrap came after the verification.",
        ),
        ("abandon-open", "without a rotation", COMMITTED.then(ABANDON, abandoned("one")), opened),
        ("abandon-open", "of another rotation", STAGED.then(ABANDON, abandoned("two")), opened),
        ("abandon-open", "of another key", STAGED.then(ABANDON, abandoned("one", "K2")), opened),
        (
            "abandon-open",
            "of a re-key",
            REKEY.then(ABANDON, abandoned("two", "K0")),
            f"{opened} The devices stream refuses it, too; lineage comes first.",
        ),
        ("abandon-open", "of one that was completed", COMPLETED.then(ABANDON, abandoned("one")), opened),
    ]


def _ends() -> list[Case]:
    seen = {"devices": VERIFIED.head("devices")["seq"]}
    cited = "It cites the decision in devices."
    old = {"account": ACCOUNT_SEEDS["K0"]}
    both_left = STAGED.tell(ABANDON, abandoned("one"))
    return [
        ("commit-taken", "before the decision", VERIFIED.then(COMMIT, done("one")), cited),
        (
            "commit-taken",
            "by who has not seen the decision",
            TAKEN.then(COMMIT, done("one"), seen=seen, keys=old),
            cited,
        ),
        (
            "commit-taken",
            "of a change that was abandoned",
            VERIFIED.tell(ABANDON, abandoned("one")).then(COMMIT, done("one")),
            cited,
        ),
        (
            "complete-retired",
            "with an old wrap",
            DECIDED.then(COMPLETE, ONE),
            "No wrap under another key than the new one is live.",
        ),
        (
            "complete-retired",
            "by who has not seen the retirement",
            Story(COMPLETED.records[:-1], "K1").then(COMPLETE, ONE, seen={"vault": 4}),
            "At the claimed head it is live.",
        ),
        ("abort-undecided", "before the decision", STAGED.then(ABORT, aborted("one")), cited),
        (
            "abort-undecided",
            "by who has not seen the decision",
            Story(ABORTED.records[:-1]).then(ABORT, aborted("one"), seen=seen),
            cited,
        ),
        (
            "abort-taken",
            "of a change that has taken over",
            TAKEN.then(ABORT, aborted("one")),
            "There is no way back.",
        ),
        (
            "abort-retired",
            "with a new wrap",
            both_left.then(ABORT, aborted("one")),
            "No wrap under the abandoned key is live.",
        ),
    ]


def _rekeys() -> list[Case]:
    seen = {"vault": COMMITTED.head("vault")["seq"]}
    foreign = BEGUN.tell(ABORT, aborted("two"), seen=seen).tell(START, started("three", past=1), seen=seen)
    own = "The first wrap of the epoch names this very rotation."
    third = RETIRED.tell(COMPLETE, TWO).tell(START, started("three", epoch=2, past=1))
    third = third.tell(WRAP, wrapped(epoch=3, label="three")).tell(VERIFY, verified("three", (3, 1)))
    third = third.tell(ITEMS, committed(5, 3, "snapshot"))
    settled = LEFT_COMPLETED.tell(ITEMS, committed(4, 2, "snapshot")).tell(RETIRE, retired(1))
    given_up = READ_BACK.tell(ABORT, aborted("two"))
    begun_only = {"rotation": BEGUN.head("rotation")["seq"]}
    to_do = "While a re-key is verified, or for what it has left, there is something to re-encrypt."
    again: list[tuple[str, Story, Members, Members]] = [
        ("in the first epoch", COMMITTED, committed(3, 1, "rekey"), {}),
        ("before the verification", BEGUN, committed(3, 2, "rekey"), {}),
        ("by who has not seen the verification", READ_BACK, committed(3, 2, "rekey"), begun_only),
        ("of a re-key that was given up", given_up, committed(3, 2, "rekey"), {}),
        ("of a re-key that has left nothing", REKEYED, committed(5, 2, "rekey"), {}),
        ("of what was left, and is retired", settled, committed(5, 2, "rekey"), {}),
    ]
    return [
        ("rekey-own-epoch", "verified before any wrap", REKEY.then(VERIFY, verified("two", (2, 1))), own),
        (
            "rekey-own-epoch",
            "an epoch that another rotation began",
            foreign.then(VERIFY, verified("three", (2, 1))),
            f"{own} Who began it for another one knows the data key.",
        ),
        (
            "rekey-same",
            "another count",
            BEGUN.then(VERIFY, {**verified("two", (2, 1)), "count": 2}),
            "Exactly the live wraps of the epoch.",
        ),
        (
            "rekey-same",
            "the wrap of the epoch before",
            BEGUN.then(VERIFY, verified("two", (1, 1))),
            "Exactly the live wraps of the epoch.",
        ),
        (
            "rekey-snapshot",
            "no snapshot",
            READ_BACK.tell(ITEMS, committed(3, 2, "rekey")).then(COMMIT, done("two")),
            "A snapshot under the new epoch was seen.",
        ),
        (
            "rekey-snapshot",
            "by who has not seen the snapshot",
            SNAPSHOT.then(COMMIT, done("two"), seen={"vault": READ_BACK.head("vault")["seq"]}),
            "A snapshot under the new epoch was seen.",
        ),
        (
            "rekey-retired",
            "with an old wrap",
            REKEYED.then(COMPLETE, TWO),
            "No wrap of an older epoch is live but those that it left.",
        ),
        (
            "rekey-left",
            "an epoch whose wrap is retired",
            third.then(COMMIT, done("three", 1)),
            "No live item can be sealed under it.",
        ),
        *[
            ("rekey-nothing", name, story.then(ITEMS, body, seen=seen), to_do)
            for name, story, body, seen in again
        ],
    ]


def _wraps() -> list[Case]:
    current = "The account's user key, or that of the open change."
    names = "The open rotation, or none for the key in force."
    staged = "The epoch of an open, staged re-key, which the wrap names."
    verified_rekey = READ_BACK.tell(ITEMS, committed(3, 2))
    return [
        ("wrap-key", "a key that nobody leads to", COMMITTED.then(WRAP, wrapped(2, "K1")), current),
        ("wrap-key", "the key before", TAKEN.then(WRAP, wrapped(3, "K0")), current),
        ("wrap-key", "an abandoned key", ABANDONED.then(WRAP, wrapped(3, "K1", label="one")), current),
        (
            "wrap-key",
            "a change that its author has not seen",
            COMMITTED.tell(START, started("one")).then(
                WRAP, wrapped(2, "K1", label="one"), seen={"rotation": 0}
            ),
            current,
        ),
        ("wrap-rotation", "one that is not open", COMMITTED.then(WRAP, wrapped(2, label="one")), names),
        ("wrap-rotation", "another one", STAGED.then(WRAP, wrapped(3, "K1", label="two")), names),
        ("wrap-rotation", "none, under the next key", STAGED.then(WRAP, wrapped(3, "K1")), names),
        ("wrap-epoch", "without a re-key", COMMITTED.then(WRAP, wrapped(epoch=2)), staged),
        ("wrap-epoch", "without naming it", REKEY.then(WRAP, wrapped(epoch=2)), staged),
        (
            "wrap-epoch",
            "in a user key change",
            STAGED.then(WRAP, wrapped(epoch=2, label="one")),
            staged,
        ),
        (
            "wrap-epoch",
            "under the next user key",
            COMMITTED.tell(START, started("one")).then(WRAP, wrapped(key="K1", epoch=2, label="one")),
            "A new data key is wrapped under the account's user key.",
        ),
        (
            "wrap-epoch",
            "another epoch than the re-key's",
            verified_rekey.then(WRAP, wrapped(epoch=3, label="two")),
            staged,
        ),
        (
            "wrap-epoch",
            "by who has not seen the re-key",
            REKEY.then(WRAP, wrapped(epoch=2), seen={"rotation": 0}),
            staged,
        ),
    ]


def _retirements() -> list[Case]:
    used = "Its user key is neither replaced nor abandoned, nor was its epoch re-encrypted."
    proven = "Another wrap under the user key in force was shown to open."
    repaired = COMMITTED.tell(WRAP, wrapped(2))
    seen_devices = {"devices": VERIFIED.head("devices")["seq"]}
    return [
        ("retire-undecided", "the key in force", repaired.then(RETIRE, retired(1)), used),
        ("retire-undecided", "the old key of an undecided change", VERIFIED.then(RETIRE, retired(1)), used),
        ("retire-undecided", "the new key of an undecided change", VERIFIED.then(RETIRE, retired(2)), used),
        (
            "retire-undecided",
            "by who has not seen the decision",
            TAKEN.then(RETIRE, retired(1), seen=seen_devices, keys={"account": ACCOUNT_SEEDS["K0"]}),
            used,
        ),
        (
            "retire-undecided",
            "the epoch before, of an open re-key",
            SNAPSHOT.then(RETIRE, retired(1)),
            used,
        ),
        (
            "retire-undecided",
            "the epoch before, by who has not seen the commitment",
            REKEYED.then(RETIRE, retired(1), seen={"rotation": 2}),
            used,
        ),
        (
            "retire-unproven",
            "by who has not seen the verification",
            TAKEN.then(RETIRE, retired(1), seen={"rotation": 1}),
            proven,
        ),
        (
            "retire-left",
            "a wrap of an epoch that the re-key has left",
            LEFT.then(RETIRE, retired(1)),
            "Live items are sealed under it.",
        ),
        (
            "retire-left",
            "after the re-key was completed",
            LEFT_COMPLETED.then(RETIRE, retired(1)),
            "Live items are sealed under it.",
        ),
    ]
