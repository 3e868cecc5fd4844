"""The devices stream of an account: who may speak. Spec: devices.md §2."""

from vector_makers.account import (
    ACCOUNT_SEEDS,
    GHOST,
    KEY_IDS,
    LAPTOP,
    PHONE,
    TABLET,
    abandoned,
    account_key,
    certificate,
    device,
    founded,
    revoked,
    rotation,
    taken,
    trusted,
)
from vector_makers.primitives import sha256
from vector_makers.saying import Members
from vector_makers.story import Case, Rules, Story, Told, gather, make_accepted, make_refusals
from vector_makers.vector import VectorFile

SIGNERS, REFUSED = ("§2", "signers"), ("§2", "transition", "transition_refused")
RULES: Rules = {
    **dict.fromkeys(
        (
            "founded-first",
            "certificate",
            "enrolled-once",
            "device-limit",
            "name",
            "certified",
            "revoked",
            "key-changed",
            "certificates",
            "abandoned",
            "decided-once",
        ),
        REFUSED,
    ),
    "speaker": (*SIGNERS, "untrusted_device"),
    "signature": (*SIGNERS, "signature_invalid"),
}

FOUNDED = Story().tell("devices.account_founded", founded())
ENROLLED = FOUNDED.tell("devices.device_enrolled", {"certificate": certificate(PHONE)}, by=PHONE)
TRUSTED = ENROLLED.tell("devices.device_trusted", trusted(PHONE), by=PHONE)
PENDING = TRUSTED.tell("devices.device_enrolled", {"certificate": certificate(TABLET)}, by=TABLET)
REVOKED = PENDING.tell("devices.device_revoked", revoked(TABLET))
TAKEN = TRUSTED.tell("devices.account_key_changed", taken("one"))
ABANDONED = TRUSTED.tell("devices.key_change_abandoned", abandoned("one"))
STRANGER_ID = {"device": device(GHOST)}


def make_file() -> VectorFile:
    """Make the vectors."""
    about = "Which statement may follow in the devices stream of an account, and who may speak then."
    refused = [*_beginnings(), *_devices(), *_changes(), *_speakers(), *_signatures()]
    vectors = [*make_accepted("§2", _followed()), *make_refusals(RULES, refused)]
    return gather("devices_stream", "devices.md", about, vectors)


def _followed() -> list[tuple[str, Story, Members, str]]:
    def amounts(standing: dict[bytes, str], key: str = "K0", **decisions: str) -> Members:
        return {
            "decisions": {rotation(label): outcome for label, outcome in decisions.items()},
            "devices": {device(seed): status for seed, status in standing.items()},
            "key_id": KEY_IDS[key],
        }

    both = {LAPTOP: "trusted", PHONE: "trusted"}
    again = REVOKED.tell("devices.account_key_changed", taken("two"))
    return [
        ("the founding", FOUNDED, amounts({LAPTOP: "trusted"}), "The founding device is trusted."),
        ("an enrolment", ENROLLED, amounts({LAPTOP: "trusted", PHONE: "pending"}), "It waits."),
        ("a device that certifies itself", TRUSTED, amounts(both), "Its user has entered the user key."),
        (
            "a device that another certifies",
            ENROLLED.tell("devices.device_trusted", trusted(PHONE)),
            amounts(both),
            "A trusted device speaks; the account key signs.",
        ),
        ("a pending device is revoked", REVOKED, amounts({**both, TABLET: "revoked"}), "For ever."),
        (
            "the founding device is revoked",
            TRUSTED.tell("devices.device_revoked", revoked(LAPTOP), by=PHONE),
            amounts({LAPTOP: "revoked", PHONE: "trusted"}),
            "No device is above others.",
        ),
        (
            "a new user key",
            TAKEN,
            amounts(both, "K1", one="taken"),
            "All trusted devices are certified again.",
        ),
        (
            "a new user key after a revocation",
            again,
            amounts({**both, TABLET: "revoked"}, "K1", two="taken"),
            "Revoked devices are not certified.",
        ),
        ("a change that was abandoned", ABANDONED, amounts(both, one="abandoned"), "The key stays."),
        (
            "a change after one that was abandoned",
            ABANDONED.tell("devices.account_key_changed", taken("two", "K2")),
            amounts(both, "K2", one="abandoned", two="taken"),
            "Another rotation leads to another key.",
        ),
        (
            "an enrolment in the place of one that was revoked",
            _many(63).tell("devices.device_revoked", revoked(_seed(0))).tell(*_enrol(63), by=_seed(63)),
            amounts(
                {
                    LAPTOP: "trusted",
                    _seed(0): "revoked",
                    **{_seed(number): "pending" for number in range(1, 64)},
                }
            ),
            "64 devices that are not revoked.",
        ),
    ]


def _seed(number: int) -> bytes:
    return sha256(b"device %d" % number)


def _enrol(number: int) -> tuple[str, Members]:
    return "devices.device_enrolled", {"certificate": certificate(_seed(number))}


def _many(count: int) -> Story:
    story = FOUNDED
    for number in range(count):
        story = story.tell(*_enrol(number), by=_seed(number))
    return story


def _beginnings() -> list[Case]:
    elsewhere = certificate(LAPTOP, device=device(GHOST))
    why = "The first event is the founding, and there is one."
    enrolment = {"certificate": certificate(PHONE)}
    return [
        (
            "founded-first",
            "a second founding",
            FOUNDED.then("devices.account_founded", founded(PHONE), by=PHONE),
            why,
        ),
        (
            "founded-first",
            "an enrolment before it",
            Story().then("devices.device_enrolled", enrolment, by=PHONE),
            why,
        ),
        (
            "founded-first",
            "a certificate before it",
            Story().then("devices.device_trusted", trusted(PHONE), by=PHONE),
            why,
        ),
        (
            "certificate",
            "founding under another device's id",
            Story().then(
                "devices.account_founded",
                {**founded(), "certificate": elsewhere},
                said=STRANGER_ID,
            ),
            "A device's id is derived from its key.",
        ),
        (
            "certificate",
            "enrolling under another device's id",
            FOUNDED.then(
                "devices.device_enrolled",
                {"certificate": certificate(PHONE, device=device(GHOST))},
                by=PHONE,
                said=STRANGER_ID,
            ),
            "A device's id is derived from its key.",
        ),
    ]


def _devices() -> list[Case]:
    renamed = {"name_commitment": "ab" * 32}
    again = {"certificate": certificate(PHONE, **renamed)}
    once = "A device is enrolled once, whatever became of it."
    cases: list[tuple[str, str, Story, str, Members, bytes, str]] = [
        ("enrolled-once", "a pending device", ENROLLED, "enrolled", again, PHONE, once),
        ("enrolled-once", "a trusted device", TRUSTED, "enrolled", again, PHONE, once),
        (
            "enrolled-once",
            "a revoked device",
            REVOKED,
            "enrolled",
            {"certificate": certificate(TABLET, **renamed)},
            TABLET,
            once,
        ),
        (
            "device-limit",
            "the 65th",
            _many(63),
            "enrolled",
            _enrol(63)[1],
            _seed(63),
            "64 devices that are not revoked, pending ones included.",
        ),
        (
            "name",
            "the commitment of another device",
            FOUNDED,
            "enrolled",
            {"certificate": certificate(PHONE, name_commitment=certificate(LAPTOP)["name_commitment"])},
            PHONE,
            "A commitment binds a name to one device.",
        ),
        (
            "name",
            "the commitment of a revoked device",
            REVOKED,
            "enrolled",
            {"certificate": certificate(GHOST, name_commitment=certificate(TABLET)["name_commitment"])},
            GHOST,
            "A commitment binds a name to one device, revoked or not.",
        ),
    ]
    pending = "Only a pending device is certified."
    otherwise = "The certificate is the enrolled one, byte for byte."
    cases += [
        ("certified", "a device that nobody enrolled", FOUNDED, "trusted", trusted(PHONE), PHONE, pending),
        ("certified", "a trusted device", TRUSTED, "trusted", trusted(PHONE), PHONE, pending),
        ("certified", "a revoked device", REVOKED, "trusted", trusted(TABLET), LAPTOP, pending),
        (
            "certified",
            "another platform",
            ENROLLED,
            "trusted",
            {**trusted(PHONE), "certificate": certificate(PHONE, platform="android")},
            PHONE,
            otherwise,
        ),
        (
            "certified",
            "another name",
            ENROLLED,
            "trusted",
            {**trusted(PHONE), "certificate": certificate(PHONE, name_commitment="ab" * 32)},
            PHONE,
            otherwise,
        ),
        ("revoked", "a device that nobody knows", TRUSTED, "revoked", revoked(GHOST), LAPTOP, "Known."),
        ("revoked", "a revoked device", REVOKED, "revoked", revoked(TABLET), LAPTOP, "It is over."),
        (
            "revoked",
            "itself",
            TRUSTED,
            "revoked",
            revoked(PHONE),
            PHONE,
            "Nobody would then speak in the other streams.",
        ),
    ]
    vectors: list[Case] = [
        (rule, name, story.then(f"devices.device_{kind}", body, by=by), why)
        for rule, name, story, kind, body, by, why in cases
    ]
    earlier = PENDING.tell("devices.account_key_changed", taken("one"))
    stale = earlier.then("devices.device_trusted", trusted(TABLET), keys={"account": ACCOUNT_SEEDS["K0"]})
    mine = {**trusted(PHONE), "account_key": account_key("K2")}
    return [
        *vectors,
        ("certified", "by the account key before", stale, "The account key in force certifies."),
        (
            "certified",
            "by a key that was never the account's",
            ENROLLED.then("devices.device_trusted", mine, by=PHONE, keys={"account": ACCOUNT_SEEDS["K2"]}),
            "A server could make such a key.",
        ),
    ]


def _changes() -> list[Case]:
    def change(story: Story, body: Members, **how: object) -> Told:
        return story.then("devices.account_key_changed", body, **how)

    def give_up(story: Story, body: Members) -> Told:
        return story.then("devices.key_change_abandoned", body)

    other = {"account": ACCOUNT_SEEDS["K2"]}
    known = "A user key that is, or was, the account's never comes again."
    exactly = "Exactly the trusted devices, with their certificates."
    body = taken("one")
    two = [certificate(LAPTOP), certificate(PHONE)]
    return [
        (
            "key-changed",
            "from another key",
            change(TRUSTED, taken("one", before="K2"), keys=other),
            "Its own.",
        ),
        (
            "key-changed",
            "to the key in force",
            change(TRUSTED, {**taken("one", "K0"), "key_id": KEY_IDS["K2"]}),
            known,
        ),
        (
            "key-changed",
            "to a key before",
            change(TAKEN, {**taken("two", "K0", "K1"), "key_id": KEY_IDS["K2"]}),
            known,
        ),
        (
            "key-changed",
            "to the key id in force",
            change(TRUSTED, {**body, "key_id": KEY_IDS["K0"]}),
            known,
        ),
        (
            "key-changed",
            "to a key id before",
            change(TAKEN, {**taken("two", "K2", "K1"), "key_id": KEY_IDS["K0"]}),
            known,
        ),
        (
            "key-changed",
            "to an abandoned key",
            change(ABANDONED, taken("two")),
            "A key that was abandoned never comes into force.",
        ),
        ("certificates", "one is missing", change(TRUSTED, taken("one", seeds=(LAPTOP,))), exactly),
        (
            "certificates",
            "a pending device too",
            change(PENDING, taken("one", seeds=(LAPTOP, PHONE, TABLET))),
            exactly,
        ),
        (
            "certificates",
            "a revoked device too",
            change(REVOKED, taken("one", seeds=(LAPTOP, PHONE, TABLET))),
            exactly,
        ),
        (
            "certificates",
            "a device that nobody enrolled",
            change(TRUSTED, taken("one", seeds=(LAPTOP, PHONE, GHOST))),
            exactly,
        ),
        (
            "certificates",
            "one twice",
            change(TRUSTED, {**body, "certificates": [*two, two[0]]}),
            exactly,
        ),
        (
            "certificates",
            "another platform",
            change(TRUSTED, {**body, "certificates": [two[0], certificate(PHONE, platform="android")]}),
            exactly,
        ),
        (
            "abandoned",
            "the key in force",
            give_up(TRUSTED, abandoned("one", "K0")),
            "A key that is in force is not given up.",
        ),
        (
            "abandoned",
            "a key before",
            give_up(TAKEN, abandoned("two", "K0")),
            "A key that was in force is not given up.",
        ),
        ("decided-once", "taken, then taken", change(TAKEN, taken("one", "K2", "K1")), "The first counts."),
        (
            "decided-once",
            "taken, then abandoned",
            give_up(TAKEN, abandoned("one", "K2")),
            "The first counts.",
        ),
        ("decided-once", "abandoned, then taken", change(ABANDONED, taken("one", "K2")), "The first counts."),
        (
            "decided-once",
            "abandoned, then abandoned",
            give_up(ABANDONED, abandoned("one", "K2")),
            "The first counts.",
        ),
    ]


def _speakers() -> list[Case]:
    third = PENDING.tell("devices.device_enrolled", {"certificate": certificate(GHOST)}, by=GHOST)
    gone = TRUSTED.tell("devices.device_revoked", revoked(PHONE))
    left = taken("one", seeds=(LAPTOP,))
    return [
        (
            "speaker",
            "a device enrols another one",
            TRUSTED.then("devices.device_enrolled", {"certificate": certificate(TABLET)}),
            "A device enrols itself.",
        ),
        (
            "speaker",
            "a pending device certifies another one",
            third.then("devices.device_trusted", trusted(GHOST), by=TABLET),
            "The certified device or a trusted one.",
        ),
        (
            "speaker",
            "a pending device revokes",
            PENDING.then("devices.device_revoked", revoked(PHONE), by=TABLET),
            "A trusted one.",
        ),
        (
            "speaker",
            "a revoked device revokes",
            gone.then("devices.device_revoked", revoked(LAPTOP), by=PHONE),
            "A trusted one.",
        ),
        (
            "speaker",
            "a stranger revokes",
            TRUSTED.then("devices.device_revoked", revoked(PHONE), by=GHOST),
            "A trusted one.",
        ),
        (
            "speaker",
            "a pending device changes the key",
            PENDING.then("devices.account_key_changed", taken("one"), by=TABLET),
            "A trusted one.",
        ),
        (
            "speaker",
            "a revoked device changes the key",
            gone.then("devices.account_key_changed", left, by=PHONE),
            "A trusted one.",
        ),
        (
            "speaker",
            "a revoked device abandons",
            gone.then("devices.key_change_abandoned", abandoned("one"), by=PHONE),
            "A trusted one.",
        ),
        (
            "speaker",
            "a pending device abandons",
            PENDING.then("devices.key_change_abandoned", abandoned("one"), by=TABLET),
            "A trusted one.",
        ),
    ]


def _signatures() -> list[Case]:
    enrolment = {"certificate": certificate(PHONE)}
    said: dict[str, tuple[Story, str, Members, bytes, tuple[str, ...]]] = {
        "the founding": (Story(), "account_founded", founded(), LAPTOP, ("device", "account")),
        "an enrolment": (FOUNDED, "device_enrolled", enrolment, PHONE, ("device",)),
        "a certificate": (ENROLLED, "device_trusted", trusted(PHONE), PHONE, ("device", "account")),
        "a revocation": (TRUSTED, "device_revoked", revoked(PHONE), LAPTOP, ("device", "account")),
        "a new user key": (
            TRUSTED,
            "account_key_changed",
            taken("one"),
            LAPTOP,
            ("device", "account", "next_account"),
        ),
        "an abandonment": (
            TRUSTED,
            "key_change_abandoned",
            abandoned("one"),
            LAPTOP,
            ("device", "account"),
        ),
    }
    cases: list[Case] = [
        (
            "signature",
            f"{name}, not by the {signer.replace('_', ' ')}",
            story.then(f"devices.{kind}", body, by=by, keys={signer: GHOST}),
            "Each signs whom its type names.",
        )
        for name, (story, kind, body, by, signers) in said.items()
        for signer in signers
    ]
    before = {"account": ACCOUNT_SEEDS["K0"]}
    return [
        *cases,
        (
            "signature",
            "a revocation, by the account key before",
            TAKEN.then("devices.device_revoked", revoked(PHONE), keys=before),
            "The account key in force.",
        ),
        (
            "signature",
            "an abandonment, by the account key before",
            TAKEN.then("devices.key_change_abandoned", abandoned("two", "K2"), keys=before),
            "The account key in force.",
        ),
    ]
