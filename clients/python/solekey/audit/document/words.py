"""The fixed sentences of a report. Spec: audit.md §2, §5."""

from collections.abc import Mapping
from typing import Final

VERDICTS: Final[Mapping[str, tuple[str, str]]] = {
    "clean": (
        "Clean",
        (
            "Every check that could be run found nothing, and every account is vouched for. What was not "
            "checked, and what no audit of a log can show, is part of this opinion."
        ),
    ),
    "violations": (
        "Violations",
        (
            "The log holds what an honest service would not have written. Each finding names the check and "
            "the event at fault."
        ),
    ),
    "cannot_tell": (
        "Cannot tell",
        (
            "Nothing was found, and something is missing without which nothing can be concluded. This is "
            "not a clean result."
        ),
    ),
}
"""Of each verdict: its name, and what it means."""

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
    "That a re-key made another data key, and what a wrap's bytes are: who opens them sees it.",
)
"""What the log alone cannot tell: audit.md §5."""

METHOD: Final = (
    "Every record was parsed within the closed schema of its type, in canonical form, byte for byte.",
    "Every stream was followed from its first event: numbers, digests, signatures, and who was trusted then.",
    "The streams of each account were held against each other: keys, wraps, rotations, devices, sessions.",
    "What users have pinned, and what their devices have seen, was looked for in the log.",
)
"""What was done, in the order in which it is done."""

GLOSSARY: Final[Mapping[str, str]] = {
    "account key": "signs what only who holds the user key may say; the log has its public half",
    "data key": "encrypts an account's items; one for each epoch",
    "device": "an installation of the client with a signing key of its own",
    "event": "one record of the log: a statement that a device has signed, or a fact that a service states",
    "finding": "something that an honest service would not have written",
    "head": "number and digest of the last event of a stream",
    "pin": "what a user vouches for: the account's first key, or heads that a device has signed",
    "rotation": "the change of the user key or of the data key, from its start to its end or abort",
    "user key": "wraps the data keys; made by the user, never sent to a server",
    "wrap": "a data key, encrypted under a user key; the log has its digest",
}
