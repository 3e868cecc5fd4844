"""Times: nobody signs them, so they are held against each other. Spec: conventions.md §12."""

from datetime import UTC, datetime

from solekey.audit.bounds import EARLIEST
from solekey.audit.checks.evidence import Evidence
from solekey.audit.report import Tally
from solekey_protocol.events import Stream


def check_times(evidence: Evidence, tally: Tally) -> None:
    """TIM-01, TIM-02, TIM-03: times go forward, along a stream and along what was seen, up to now."""
    clocks = evidence.bounds.clocks
    now = evidence.bounds.now or datetime.now(UTC)
    until = now + clocks
    for stream in Stream:
        events = evidence.of(stream)
        tally.look("TIM-01", len(events))
        tally.look("TIM-03", len(events))
        latest, latest_at = None, EARLIEST
        for event in events:
            at = event.time.datetime
            if at > until or at < EARLIEST:
                tally.find_at("TIM-03", "time_impossible", event, f"{event.time} cannot be")
            if latest is None or at > latest_at:
                latest, latest_at = event, at
            elif at < latest_at and latest_at - at > clocks:
                detail = f"{event.time} follows {latest.time} (seq {latest.seq})"
                tally.find_at("TIM-01", "time_backwards", event, detail)


def check_seen_times(evidence: Evidence, tally: Tally) -> None:
    """TIM-02: what a statement's author had seen was written before."""
    looked_at = 0
    for event in evidence.all():
        if event.signed is None:
            continue
        at = event.time.datetime
        for other, head in event.signed.statement.heads.items():
            known = evidence.of(other)
            if not 0 < head.seq <= len(known):
                continue  # CHN-03 says so
            looked_at += 1
            seen = known[head.seq - 1]
            seen_at = seen.time.datetime
            if seen_at > at and seen_at - at > evidence.bounds.clocks:
                detail = f"its author had seen {other} seq {head.seq} of {seen.time}; this is of {event.time}"
                tally.find_at("TIM-02", "time_before_seen", event, detail)
    tally.look("TIM-02", looked_at)
