"""The keys that sign access tokens, as the platform's own account states them. Spec: tokens.md §2."""

from collections.abc import Iterable, Sequence

from solekey.audit.checks.evidence import Evidence
from solekey.audit.report import Tally
from solekey_protocol.event import Event
from solekey_protocol.events import Stream, auth


def check_signing_keys(evidence: Evidence, system: Sequence[Event], tally: Tally) -> None:
    """KEY-01: when a session was opened, a published key was valid.

    Args:
        evidence: the account whose sessions are looked at.
        system: the events of the platform's own account.
        tally: what is looked at and found.
    """
    if not system:
        return  # the platform's own account is not in this log: the report says that this was not looked at
    keys = [event.body for event in system if isinstance(event.body, auth.SigningKeyPublished)]
    for event in evidence.of(Stream.AUTH):
        if isinstance(event.body, auth.SessionOpened):
            tally.look("KEY-01")
            if not _is_covered(event, keys, evidence):
                tally.find_at(
                    "KEY-01", "signing_key_missing", event, f"no signing key was valid at {event.time}"
                )


def _is_covered(event: Event, keys: Iterable[auth.SigningKeyPublished], evidence: Evidence) -> bool:
    at, clocks = event.time.datetime, evidence.bounds.clocks
    return any(
        key.not_before.datetime - at <= clocks and at - key.not_after.datetime <= clocks for key in keys
    )
