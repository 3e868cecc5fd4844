"""How much the operator could hide in what he states. Spec: audit.md §3 (REC-03)."""

from collections import Counter
from typing import Final

from solekey.audit.checks.evidence import Evidence
from solekey.audit.covert import UNKNOWN_DIGESTS, measure, measure_time
from solekey.audit.report import Tally
from solekey_protocol.events import Body

_FIELDS: Final = {name.split()[0]: name for name in UNKNOWN_DIGESTS}


def check_capacity(evidence: Evidence, tally: Tally) -> None:
    """REC-03: count the bits that nobody recomputes, by type and field, and in one account at most."""
    known = evidence.signed.devices.devices.keys()
    total, signed = 0, Counter[type[Body]]()
    for event in evidence.all():
        if event.signed is not None:
            signed[type(event.body)] += 1
            continue
        kind = _name(event.body)
        if kind in _FIELDS:
            tally.covert.digests[_FIELDS[kind]] += 1
        for name, bits in measure(event, known, evidence.bounds).items():
            tally.covert.bits[f"{kind} {name}"] += bits
            total += bits
    time_bits = measure_time(evidence.bounds)
    for body, count in signed.items():
        kind = _name(body)
        if kind in _FIELDS:
            tally.covert.digests[_FIELDS[kind]] += count
        tally.covert.bits[f"{kind} time"] += count * time_bits
        total += count * time_bits
    tally.look("REC-03", sum(map(len, evidence.events.values())))
    tally.covert.most = max(tally.covert.most, total)


def _name(body: Body | type[Body]) -> str:
    return body.TYPE.removeprefix("solekey.")
