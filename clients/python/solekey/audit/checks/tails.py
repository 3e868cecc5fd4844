"""How much of a stream no client covers: the operator could still write it otherwise. Spec: audit.md §5."""

from solekey.audit.checks.evidence import Evidence
from solekey.audit.report import Tally
from solekey_protocol.events import Stream


def check_tails(evidence: Evidence, tally: Tally) -> None:
    """CHN-04: count the facts at the ends of streams that no statement follows, and that none claims."""
    covered = dict(evidence.seen)
    for stream in Stream:
        own = (event.seq for event in reversed(evidence.of(stream)) if event.signed is not None)
        covered[stream] = max(covered[stream], next(own, 0))
    tally.look("CHN-04", sum(max(0, len(evidence.of(each)) - covered[each]) for each in Stream))
