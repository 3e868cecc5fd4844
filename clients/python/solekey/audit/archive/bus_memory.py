"""What the checks of the bus go on with at the next audit, as bytes. Spec: audit.md §2.6, §3 (BUS).

*Wire format.* Canonical JSON; places and streams are lists, and findings as a report has them.
"""

from typing import Any

from solekey.audit.checks.bus import BusMemory
from solekey.audit.report import Finding, Tally
from solekey.audit.sources.log import BusPlace
from solekey_protocol.encoding import Json, encode_json
from solekey_protocol.ids import AccountId
from solekey_protocol.services import Stream


def encode_bus_memory(memory: BusMemory) -> bytes:
    """Encode it."""
    tally = memory.tally
    document: dict[str, Json] = {
        "next": [[topic, partition, offset] for (topic, partition), offset in sorted(memory.next.items())],
        "last": [[account, stream.value, seq] for (account, stream), seq in sorted(memory.last.items())],
        "last_ms": [[topic, partition, ms] for (topic, partition), ms in sorted(memory.last_ms.items())],
        "minutes": [[topic, number, list(ms)] for (topic, number), ms in sorted(memory.minutes.items())],
        "looked_at": dict(sorted(tally.looked_at.items())),
        "found": [[check, code, count] for (check, code), count in sorted(tally.found.items())],
        "findings": [_list_finding(each) for each in tally.findings],
    }
    return encode_json(document)


def take_bus_memory(document: Any) -> BusMemory:
    """Take it from a parsed document. Raises ValueError, TypeError, KeyError, MalformedError."""
    tally = Tally()
    tally.looked_at.update(document["looked_at"])
    tally.put_back([_take_finding(each) for each in document["findings"]])
    tally.found.update({(check, code): count for check, code, count in document["found"]})
    return BusMemory(
        {(topic, partition): offset for topic, partition, offset in document["next"]},
        {(AccountId(account), Stream(stream)): seq for account, stream, seq in document["last"]},
        {(topic, partition): ms for topic, partition, ms in document["last_ms"]},
        {(topic, partition): list(ms) for topic, partition, ms in document["minutes"]},
        tally,
    )


def _list_finding(finding: Finding) -> list[Json]:
    place = finding.place
    where: Json = None if place is None else [place.topic, place.partition, place.offset]
    return [
        finding.check,
        finding.code,
        finding.account,
        str(finding.stream),
        finding.seq,
        finding.detail,
        where,
    ]


def _take_finding(listed: Any) -> Finding:
    check, code, account, stream, seq, detail, where = listed
    place = None if where is None else BusPlace(*where)
    return Finding(check, code, None if account is None else AccountId(account), stream, seq, detail, place)
