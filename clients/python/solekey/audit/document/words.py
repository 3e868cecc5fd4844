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
