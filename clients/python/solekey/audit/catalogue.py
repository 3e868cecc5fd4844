"""The catalogue of checks: what each looks at, and what it needs for that. Spec: audit.md §3."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Check:
    """One check of an audit.

    Attributes:
        id: its stable id, such as ``SES-02``: the family and a number.
        title: what holds where nothing is found, in a few words.
        counts: what it looks at, as a plural: what is counted.
        needs: what it needs beside the log; None where the log suffices.
    """

    id: str
    title: str
    counts: str
    needs: str | None = None

    @property
    def family(self) -> str:
        """The family that the check belongs to: the first part of its id."""
        return self.id.partition("-")[0]


FAMILIES: Final[Mapping[str, str]] = {
    "REC": "records",
    "CHN": "chains",
    "SIG": "authorship",
    "LIN": "authority across the streams",
    "WRP": "wraps and keys",
    "COM": "commits",
    "ROT": "rotations",
    "DEV": "devices",
    "REV": "revocations",
    "SES": "sessions",
    "FAC": "second factors",
    "KEY": "signing keys",
    "TIM": "time",
    "PIN": "what users vouch for",
    "HED": "what the last audit has seen",
    "BUN": "the bundle",
    "BUS": "the bus",
    "OBJ": "stored objects",
    "LOG": "the transparency log",
}

_PLATFORM: Final = "the platform's own records, which an export of a whole log holds"
_USERS: Final = "pins that users have handed over"
_SEEN: Final = "the signed verdict of this auditor's last audit"
_BUS: Final = "records with their topic, partition and offset, and the topics' settings"
_BUNDLE: Final = "a bundle"
_EXPORTER: Final = "a bundle, and the exporter's key"
_OBJECTS: Final = "a list of what services have stored (list-stored)"
_TRANSPARENCY: Final = "a transparency service's checkpoints and witnesses' cosignatures"

CHECKS: Final[Mapping[str, Check]] = {
    check.id: check
    for check in (
        Check("REC-01", "every record is one event in canonical form", "records"),
        Check("REC-02", "every record is inside the closed schema of its type", "records"),
        Check("REC-03", "what could be hidden in a log is bounded", "events"),
        Check("CHN-01", "every stream is numbered 1, 2, 3, … without a gap", "events"),
        Check("CHN-02", "no place is claimed by two events; each names the bytes before it", "events"),
        Check("CHN-03", "whatever a client has seen is in the log, with the same bytes", "claimed heads"),
        Check("CHN-04", "what no client covers is counted", "facts at the ends of streams"),
        Check(
            "SIG-01",
            "every statement is signed by whom its type demands, trusted then",
            "statements",
        ),
        Check("SIG-02", "every event is a step that its stream allows", "events"),
        Check("LIN-01", "the other streams bear out what each statement needs of them", "statements"),
        Check("WRP-01", "every wrap is another one", "wraps"),
        Check("WRP-02", "a public key has one role, and stands for one secret", "keys"),
        Check(
            "COM-01",
            "what commits state of numbers and sizes can be true, and no change list comes twice",
            "commits",
        ),
        Check("ROT-01", "a re-key has re-encrypted what was there, and purged what it superseded", "re-keys"),
        Check("ROT-02", "what is stated as due is due", "due rotations"),
        Check("ROT-03", "what is due is stated", "keys and revocations"),
        Check("ROT-04", "who saw that writes wait for a rotation wrote nothing", "commits"),
        Check("ROT-05", "nothing stays due, open or owed for long", "rotations"),
        Check("DEV-01", "a device speaks in a session of its own", "statements"),
        Check("DEV-02", "a device that logs in enrols", "sessions"),
        Check(
            "REV-01",
            "what revoked devices signed behind their revocation is confirmed",
            "devices",
        ),
        Check("REV-02", "no session of a revoked device is opened after the bound", "sessions"),
        Check("REV-03", "the sessions of a revoked device end within the bound", "sessions"),
        Check("REV-04", "nothing that a revoked device signed is taken after the bound", "statements"),
        Check("REV-05", "a session ends as revoked only when its device is", "sessions"),
        Check("SES-01", "an account is registered first, and its login credential counts up", "credentials"),
        Check("SES-02", "what ends is open, and no two accounts have a session of one id", "sessions"),
        Check("SES-03", "a session keeps its bound, and is not used after its end", "sessions"),
        Check("SES-04", "a refresh token that comes back ends its session", "reuses"),
        Check("SES-05", "a session is opened and stepped up with a factor that is enrolled", "proofs"),
        Check("SES-06", "a device that speaks has logged in", "devices"),
        Check("SES-07", "a closed account says nothing any more, in any stream", "accounts"),
        Check("SES-08", "what takes a fresh second factor follows one", "statements and facts"),
        Check("SES-09", "a new password and a closing end the sessions, and an end has its cause", "ends"),
        Check(
            "FAC-01",
            "a factor that is removed was enrolled; there is one authenticator",
            "factors",
        ),
        Check("FAC-02", "recovery codes are used up one by one", "recovery codes"),
        Check("FAC-03", "an account keeps an authenticator or a passkey", "factors"),
        Check("KEY-01", "a signing key was valid when a token was issued", "logins and refreshes", _PLATFORM),
        Check("KEY-02", "the platform's own account announces signing keys, and nobody else does", "facts"),
        Check("TIM-01", "time does not go back in a stream", "events"),
        Check("TIM-02", "an event is not older than what its author had seen", "claimed heads"),
        Check("TIM-03", "no event is of the future, or of before Solekey was made", "events"),
        Check("PIN-01", "an account was founded with the key that its user names", "accounts", _USERS),
        Check("PIN-02", "an account's user vouches for it", "accounts", _USERS),
        Check("PIN-03", "the ends that users have seen are in the log", "pinned heads", _USERS),
        Check("PIN-04", "a signed head file is signed by a device of its account", "signatures", _USERS),
        Check("PIN-05", "a restoration was accepted with a key of the account", "acceptances", _USERS),
        Check("HED-01", "what the last audit has seen is in the log, with the same bytes", "heads", _SEEN),
        Check("BUN-01", "the exporter has signed the bundle", "manifests", _EXPORTER),
        Check("BUN-02", "every file is what the manifest states", "files", _BUNDLE),
        Check("BUN-03", "what was to be exported is what the bundle states", "partitions", _BUNDLE),
        Check("BUN-04", "the schemas in it are those of this release", "bundles", _BUNDLE),
        Check("BUS-01", "the bus has Solekey's topics, and no other", "topics", _BUS),
        Check("BUS-02", "the topics keep every event for ever", "settings", _BUS),
        Check("BUS-03", "offsets run from 0 to the end without a hole", "records", _BUS),
        Check("BUS-04", "each record lies where its event belongs, with nothing beside it", "records", _BUS),
        Check("BUS-05", "the events of a stream lie in its order", "records", _BUS),
        Check("BUS-06", "events are published when they are written", "records", _BUS),
        Check("BUS-07", "heartbeats say how far a producer has published, no more", "heartbeats", _BUS),
        Check("OBJ-01", "the bytes of each live wrap are stored", "wraps", _OBJECTS),
        Check(
            "OBJ-02", "change lists are stored, parse, and are what their commits say", "commits", _OBJECTS
        ),
        Check("OBJ-03", "each part of a live item is stored as it was committed", "parts", _OBJECTS),
        Check("OBJ-04", "every stored object is explained by an event", "objects", _OBJECTS),
        Check("OBJ-05", "the services' tables hold what the bus holds", "events", _OBJECTS),
        Check("LOG-01", "the log is the one that everybody is shown", "checkpoints", _TRANSPARENCY),
    )
}

LIMITS: Final = (
    (
        "That the operator shows everybody the same log. Two users who never compare heads can be shown two "
        "histories of different accounts' events; an account's own devices detect a fork of that account at "
        "their next statement. The transparency log (a later release) closes this gap."
    ),
    (
        "Facts that only the operator knows, where they agree with all others: a login that failed and was "
        "not written, one that was written and never was; the tail of the auth stream that no client has "
        "seen."
    ),
    "Times, but for their order: all of them may be moved together.",
    (
        "What a field that nobody recomputes means: factor_id and the digests of bytes that are not in the "
        "log are random to whoever reads it, and a service that wanted to hide 32 bytes in one could."
    ),
    "Which program spoke: the log shows that a device's key signed, not what else the device did.",
    (
        "That a re-key made another data key, that it kept the contents of the items, and what a wrap's "
        "bytes are: who opens them sees it."
    ),
)
"""What the log alone cannot tell, however clean it is; it belongs to every report. Spec: audit.md §5."""
