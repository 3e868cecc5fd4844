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
    for stream in Stream:
        latest = None
        for event in evidence.of(stream):
            at = event.time.datetime
            tally.look("TIM-01")
            tally.look("TIM-03")
            if latest is not None and latest.time.datetime - at > clocks:
                detail = f"{event.time} follows {latest.time} (seq {latest.seq})"
                tally.find_at("TIM-01", "time_backwards", event, detail)
            if at - now > clocks or at < EARLIEST:
                tally.find_at("TIM-03", "time_impossible", event, f"{event.time} cannot be")
            latest = event if latest is None or at > latest.time.datetime else latest


def check_seen_times(evidence: Evidence, tally: Tally) -> None:
    """TIM-02: what a statement's author had seen was written before."""
    for event in evidence.all():
        for other, head in event.signed.statement.heads.items() if event.signed is not None else ():
            known = evidence.of(other)
            if not 0 < head.seq <= len(known):
                continue  # CHN-03 says so
            tally.look("TIM-02")
            seen = known[head.seq - 1]
            if seen.time.datetime - event.time.datetime > evidence.bounds.clocks:
                detail = f"its author had seen {other} seq {head.seq} of {seen.time}; this is of {event.time}"
                tally.find_at("TIM-02", "time_before_seen", event, detail)
