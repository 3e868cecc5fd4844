"""The keys that sign access tokens, as the platform's own account states them. Spec: tokens.md §2."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from solekey.audit.bounds import Bounds
from solekey.audit.checks.evidence import Evidence
from solekey.audit.checks.spans import NEVER, Spans, shift
from solekey.audit.report import Tally
from solekey_protocol.event import Event
from solekey_protocol.events import Stream, auth
from solekey_protocol.ids import KeyId, derive_signing_key_id

_LONGEST: Final = timedelta(days=367, seconds=1)
"""A key signs for 366 days at most (SOLEKEY_SIGNING_KEY_DAYS), and is accepted for one more."""
_BACKDATED: Final = timedelta(seconds=61)
"""So long before its announcement a key may be valid where nothing else can sign: 60 s, in whole seconds."""


def check_signing_keys(evidence: Evidence, system: Sequence[Event], tally: Tally) -> None:
    """KEY-01: when a token was issued, at a login or a refresh, a published key was valid.

    Args:
        evidence: the account whose sessions are looked at.
        system: the events of the platform's own account.
        tally: what is looked at and found.
    """
    if not system:
        return  # the platform's own account is not in this log: the report says that this was not looked at
    keys = _find_valid(system, evidence.bounds)
    for event in evidence.of(Stream.AUTH):
        if isinstance(event.body, auth.SessionOpened | auth.SessionRefreshed):
            tally.look("KEY-01")
            if not keys.cover(event.time.datetime):
                tally.find_at(
                    "KEY-01", "signing_key_missing", event, f"no signing key was valid at {event.time}"
                )


def find_loss(before: Sequence[Event], now: Sequence[Event], bounds: Bounds) -> datetime | None:
    """Find the first moment at which a key was valid by what was known before, and none is by what is now.

    No session that was opened before it is judged otherwise now.
    """
    if bool(before) != bool(now):
        return NEVER
    return _find_valid(now, bounds).find_loss(_find_valid(before, bounds))


def _find_valid(system: Iterable[Event], bounds: Bounds) -> Spans:
    """When a key was valid: from its announcement to its end, or to its withdrawal."""
    valid: dict[KeyId, tuple[datetime, datetime]] = {}
    for event in system:
        match event.body:
            case auth.SigningKeyPublished(key_id, _, not_before, not_after):
                valid[key_id] = not_before.datetime, not_after.datetime
            case auth.SigningKeyWithdrawn(key_id) if key_id in valid:
                start, end = valid[key_id]
                valid[key_id] = start, min(end, event.time.datetime)
    clocks = bounds.clocks
    spans = ((shift(start, -clocks), shift(end, clocks)) for start, end in valid.values())
    return Spans.join(span for span in spans if span[0] <= span[1])


def check_owner(evidence: Evidence, tally: Tally) -> None:
    """KEY-02: a user's account announces no signing key."""
    for event in evidence.of(Stream.AUTH):
        tally.look("KEY-02")
        if isinstance(event.body, auth.SigningKeyPublished | auth.SigningKeyWithdrawn):
            detail = "signing keys are the platform's own account's"
            tally.find_at("KEY-02", "signing_key_misplaced", event, detail)


def check_announcements(evidence: Evidence, tally: Tally) -> None:
    """KEY-02: the platform's own account announces signing keys and nothing else, each once."""
    known: set[KeyId] = set()
    for event in evidence.all():
        tally.look("KEY-02")
        match event.body:
            case auth.SigningKeyPublished(key_id) as body:
                for code, detail in _find_faults(event, body, evidence):
                    tally.find_at("KEY-02", code, event, detail)
                if key_id in known:
                    tally.find_at("KEY-02", "signing_key_twice", event, f"{key_id} was announced before")
                known.add(key_id)
            case auth.SigningKeyWithdrawn(key_id):
                if key_id not in known:
                    tally.find_at("KEY-02", "signing_key_unknown", event, f"{key_id} was never announced")
                known.discard(key_id)
            case body:
                detail = f"{body.TYPE} does not belong to the platform's own account"
                tally.find_at("KEY-02", "signing_key_misplaced", event, detail)


def _find_faults(
    event: Event, body: auth.SigningKeyPublished, evidence: Evidence
) -> Iterator[tuple[str, str]]:
    if body.key_id != derive_signing_key_id(body.public_key):
        yield "signing_key_id_wrong", f"{body.key_id} is not the id of {body.public_key}"
    begins, ends = body.not_before.datetime, body.not_after.datetime
    if not begins < ends or ends - begins > _LONGEST:
        yield "signing_key_bounds_wrong", f"it is valid from {body.not_before} to {body.not_after}"
    elif event.time.datetime - begins > _BACKDATED + evidence.bounds.clocks:
        yield "signing_key_bounds_wrong", f"it is valid since {body.not_before}, before it was announced"
