"""The rotation stream of an account: one saga at a time. Spec: rotation.md §2."""

from vector_makers.account import (
    EARLIER,
    GHOST,
    KEY_IDS,
    PHONE,
    abandoned,
    aborted,
    done,
    retired,
    revoked,
    rotation,
    started,
    taken,
    verified,
    wrapped,
)
from vector_makers.saying import Members
from vector_makers.story import Case, Rules, Story, gather, make_accepted, make_refusals
from vector_makers.vault_stream import COMMITTED, REKEYED
from vector_makers.vector import VectorFile

RULES: Rules = {
    "speaker": ("§2", "signers", "untrusted_device"),
    "signature": ("§2", "signers", "signature_invalid"),
    **dict.fromkeys(
        ("one-open", "new-id", "kinds", "new-key", "phase", "left-epochs"),
        ("§2", "transition", "transition_refused"),
    ),
}

STAGED = COMMITTED.tell("rotation.rotation_started", started("one")).tell(
    "vault.key_wrapped", wrapped(2, "K1", label="one")
)
VERIFIED = STAGED.tell("rotation.rotation_verified", verified("one", (1, 2)))
TAKEN = VERIFIED.tell("devices.account_key_changed", taken("one"))
DECIDED = TAKEN.tell("rotation.rotation_committed", done("one"))
COMPLETED = DECIDED.tell("vault.wrap_retired", retired(1)).tell(
    "rotation.rotation_completed", {"rotation": rotation("one")}
)
ABANDONED = STAGED.tell("devices.key_change_abandoned", abandoned("one"))
ABORTED = ABANDONED.tell("vault.wrap_retired", retired(2)).tell("rotation.rotation_aborted", aborted("one"))
DUE = COMMITTED.tell(
    "rotation.rotation_due", {"cause": "age", "enforcement": "advisory", "kind": "user_key", "since": EARLIER}
)
ENFORCED = COMMITTED.tell(
    "rotation.rotation_due",
    {"cause": "revocation", "enforcement": "enforced", "kind": "data_key", "since": EARLIER},
)
POLICY = {"data_key_max_age_days": 365, "enforcement": "enforced", "user_key_max_age_days": 180}


def make_file() -> VectorFile:
    """Make the vectors."""
    about = "Which statement may follow in the rotation stream of an account; other streams are not asked."
    refused = [*_starts(), *_steps(), *_left(), *_speakers(), *_signatures()]
    vectors = [*make_accepted("§2", _followed()), *make_refusals(RULES, refused)]
    return gather("rotation_stream", "rotation.md", about, vectors)


def _followed() -> list[tuple[str, Story, Members, str]]:
    def amounts(
        *completed: str,
        open: tuple[str, str] | None = None,  # noqa: A002 - the word of the page
        due: tuple[str, ...] = (),
        enforced: tuple[str, ...] = (),
    ) -> Members:
        return {
            "completed": [rotation(label) for label in completed],
            "due": list(due),
            "enforced": list(enforced),
            "open": None if open is None else {"phase": open[1], "rotation": rotation(open[0])},
        }

    return [
        ("a policy", COMMITTED.tell("rotation.policy_set", POLICY), amounts(), "At any time."),
        (
            "a policy while a rotation is open",
            STAGED.tell("rotation.policy_set", POLICY),
            amounts(open=("one", "staged")),
            "At any time.",
        ),
        ("a key that is due", DUE, amounts(due=("user_key",)), "The service's own fact."),
        (
            "a key that is due under the account's enforced policy",
            DUE.tell("rotation.policy_set", POLICY),
            amounts(due=("user_key",), enforced=("user_key",)),
            "The account's policy counts, not the one that the service stated.",
        ),
        (
            "a key that is due under the operator's enforced policy",
            ENFORCED,
            amounts(due=("data_key",), enforced=("data_key",)),
            "The account has set no policy.",
        ),
        (
            "an advisory policy of the account in the place of the operator's",
            ENFORCED.tell("rotation.policy_set", {**POLICY, "enforcement": "advisory"}),
            amounts(due=("data_key",)),
            "Nothing waits for the rotation, which is due as before.",
        ),
        (
            "a start",
            COMMITTED.tell("rotation.rotation_started", started("one")),
            amounts(open=("one", "staged")),
            "Staged.",
        ),
        ("a verification", VERIFIED, amounts(open=("one", "verified")), "The wraps were read back."),
        ("a commitment", DECIDED, amounts(open=("one", "committed")), "There is no way back."),
        ("a completion", COMPLETED, amounts("one"), "None is open."),
        ("giving up what was staged", ABORTED, amounts(), "None is open, and none was completed."),
        (
            "giving up what was verified",
            VERIFIED.tell("devices.key_change_abandoned", abandoned("one"))
            .tell("vault.wrap_retired", retired(2))
            .tell("rotation.rotation_aborted", aborted("one")),
            amounts(),
            "Until it is committed.",
        ),
        (
            "a start after one that was aborted",
            ABORTED.tell("rotation.rotation_started", started("two", "K2")),
            amounts(open=("two", "staged")),
            "A new id, and another key.",
        ),
        ("a re-key", REKEYED, amounts(open=("two", "committed")), "The same key, the next epoch."),
        (
            "a completion of what was due",
            DUE.tell("rotation.rotation_started", started("one"))
            .tell("vault.key_wrapped", wrapped(2, "K1", label="one"))
            .tell("rotation.rotation_verified", verified("one", (1, 2)))
            .tell("devices.account_key_changed", taken("one"))
            .tell("rotation.rotation_committed", done("one"))
            .tell("vault.wrap_retired", retired(1))
            .tell("rotation.rotation_completed", {"rotation": rotation("one")}),
            amounts("one"),
            "The kind is not due any more.",
        ),
    ]


def _starts() -> list[Case]:
    def start(rule: str, name: str, story: Story, body: Members, why: str) -> Case:
        return rule, name, story.then("rotation.rotation_started", body), why

    one = "One rotation is open at a time."
    new = "An id is used once."
    keys = "A key that a rotation has led to or from is never led to again."
    change, rekey = started("two"), started("two", past=1)
    after = started("two", "K2", "K1")
    return [
        start("one-open", "while one is staged", STAGED, started("two", "K2"), one),
        start("one-open", "while one is verified", VERIFIED, started("two", "K2"), one),
        start("one-open", "while one is committed", DECIDED, started("two", "K2", "K1"), one),
        start(
            "new-id",
            "the id of one that was completed",
            COMPLETED,
            {**after, "rotation": rotation("one")},
            new,
        ),
        start("new-id", "the id of one that was aborted", ABORTED, started("one", "K2"), new),
        start(
            "kinds",
            "a user key change to the same key",
            COMMITTED,
            {**change, "to_key_id": KEY_IDS["K0"]},
            "Another key id.",
        ),
        start(
            "kinds",
            "a user key change to another epoch",
            COMMITTED,
            {**change, "to_epoch": 2},
            "The same epoch.",
        ),
        start(
            "kinds",
            "a re-key to another key",
            COMMITTED,
            {**rekey, "to_key_id": KEY_IDS["K1"]},
            "The same key id.",
        ),
        start("kinds", "a re-key to the same epoch", COMMITTED, {**rekey, "to_epoch": 1}, "The next epoch."),
        start(
            "kinds",
            "a re-key that leaves an epoch out",
            COMMITTED,
            {**rekey, "to_epoch": 3},
            "The next epoch.",
        ),
        start("new-key", "to the key of one that was aborted", ABORTED, started("two", "K1"), keys),
        start("new-key", "to the key before", COMPLETED, started("two", "K0", "K1"), keys),
    ]


def _steps() -> list[Case]:
    this = {"rotation": rotation("one")}
    steps: dict[str, Members] = {
        "verified": verified("one", (1, 2)),
        "committed": done("one"),
        "completed": this,
        "aborted": aborted("one"),
    }
    phases: dict[str, tuple[Story, tuple[str, ...]]] = {
        "none open": (COMMITTED, ("verified", "committed", "completed", "aborted")),
        "staged": (STAGED, ("committed", "completed")),
        "verified": (VERIFIED, ("verified", "completed")),
        "committed": (DECIDED, ("verified", "committed", "aborted")),
        "completed": (COMPLETED, ("verified", "committed", "completed", "aborted")),
    }
    wrong: list[Case] = [
        (
            "phase",
            f"{step} when {phase}",
            story.then(f"rotation.rotation_{step}", steps[step]),
            "See the diagram.",
        )
        for phase, (story, refused) in phases.items()
        for step in refused
    ]
    others: dict[str, tuple[Story, Members]] = {
        "verified": (STAGED, verified("two", (1, 2))),
        "committed": (VERIFIED, done("two")),
        "completed": (DECIDED, {"rotation": rotation("two")}),
        "aborted": (STAGED, aborted("two")),
    }
    return [
        *wrong,
        *[
            (
                "phase",
                f"another rotation is {step}",
                story.then(f"rotation.rotation_{step}", body),
                "The open one.",
            )
            for step, (story, body) in others.items()
        ],
    ]


def _left() -> list[Case]:
    left = "Older epochs, ascending, each once."
    rekeyed = Story(REKEYED.records[:-1])
    commit = "rotation.rotation_committed"
    return [
        (
            "left-epochs",
            "of a user key change",
            _change_of_epoch_2().then(commit, done("one", 1)),
            "It leaves none.",
        ),
        ("left-epochs", "the new epoch", rekeyed.then(commit, done("two", 2)), left),
        ("left-epochs", "a later epoch", rekeyed.then(commit, done("two", 1, 3)), left),
        ("left-epochs", "one twice", rekeyed.then(commit, done("two", 1, 1)), left),
        ("left-epochs", "descending", _second_rekey().then(commit, done("three", 2, 1)), left),
    ]


def _second_rekey() -> Story:
    """A re-key after another, before it is committed: two epochs are older."""
    story = REKEYED.tell("vault.wrap_retired", retired())
    return (
        story.tell("rotation.rotation_completed", {"rotation": rotation("two")})
        .tell("rotation.rotation_started", started("three", epoch=2, past=1))
        .tell("vault.key_wrapped", wrapped(epoch=3, label="three"))
        .tell("rotation.rotation_verified", verified("three", (3, 1)))
    )


def _change_of_epoch_2() -> Story:
    """A user key change after a re-key, taken and not committed: one epoch is older."""
    return (
        REKEYED.tell("vault.wrap_retired", retired())
        .tell("rotation.rotation_completed", {"rotation": rotation("two")})
        .tell("rotation.rotation_started", started("one", epoch=2))
        .tell("vault.key_wrapped", wrapped(2, "K1", 2, label="one"))
        .tell("rotation.rotation_verified", verified("one", (2, 2)))
        .tell("devices.account_key_changed", taken("one"))
    )


def _speakers() -> list[Case]:
    why = "A device that was trusted at the devices head that it claims."
    gone = COMMITTED.tell("devices.device_revoked", revoked(PHONE))
    start = "rotation.rotation_started", started("one")
    return [
        ("speaker", "a stranger", COMMITTED.then(*start, by=GHOST), why),
        ("speaker", "a revoked device", gone.then(*start, by=PHONE), why),
        (
            "speaker",
            "a device before it was trusted",
            COMMITTED.then(*start, by=PHONE, seen={"devices": 2}),
            why,
        ),
        ("speaker", "a stranger sets a policy", COMMITTED.then("rotation.policy_set", POLICY, by=GHOST), why),
    ]


def _signatures() -> list[Case]:
    this = {"rotation": rotation("one")}
    said: dict[str, tuple[Story, str, Members]] = {
        "a policy": (COMMITTED, "policy_set", POLICY),
        "a start": (COMMITTED, "rotation_started", started("one")),
        "a verification": (STAGED, "rotation_verified", verified("one", (1, 2))),
        "a commitment": (TAKEN, "rotation_committed", done("one")),
        "a completion": (Story(COMPLETED.records[:-1], "K1"), "rotation_completed", this),
        "an end": (Story(ABORTED.records[:-1]), "rotation_aborted", aborted("one")),
    }
    return [
        (
            "signature",
            f"{name}, not by the {signer}",
            story.then(f"rotation.{kind}", body, keys={signer: GHOST}),
            "Each signs whom its type names.",
        )
        for name, (story, kind, body) in said.items()
        for signer in ("device", "account")
    ]
