"""How much of a stream no client covers: the operator could still write it otherwise. Spec: audit.md §5."""

from solekey.audit.checks.evidence import Evidence
from solekey.audit.report import Tally
from solekey_protocol.events import Stream


def check_tails(evidence: Evidence, tally: Tally) -> None:
    """CHN-04: count the facts at the ends of streams that no statement follows, and that none claims."""
    covered = dict.fromkeys(Stream, 0)
    for event in evidence.all():
        if event.signed is None:
            continue
        covered[event.stream] = max(covered[event.stream], event.seq)
        for stream, head in event.signed.statement.heads.items():
            covered[stream] = max(covered[stream], head.seq)
    for stream in Stream:
        tally.look("CHN-04", sum(event.seq > covered[stream] for event in evidence.of(stream)))
