"""How much the operator could hide in what he states. Spec: audit.md §3 (REC-03)."""

from typing import Final

from solekey.audit.checks.evidence import Evidence
from solekey.audit.covert import UNKNOWN_DIGESTS, measure
from solekey.audit.report import Tally

_FIELDS: Final = {name.split()[0]: name for name in UNKNOWN_DIGESTS}


def check_capacity(evidence: Evidence, tally: Tally) -> None:
    """REC-03: count the bits that nobody recomputes, by type and field, and in one account at most."""
    known = evidence.signed.devices.devices.keys()
    total = 0
    for event in evidence.all():
        tally.look("REC-03")
        kind = event.body.TYPE.removeprefix("solekey.")
        if kind in _FIELDS:
            tally.covert.digests[_FIELDS[kind]] += 1
        for name, bits in measure(event, known, evidence.bounds).items():
            tally.covert.bits[f"{kind} {name}"] += bits
            total += bits
    tally.covert.most = max(tally.covert.most, total)
