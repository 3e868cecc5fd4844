"""What came of an account in which nothing was found, as bytes, until something of it changes.

*Wire format.* A JSON array, of this program and version alone: an archive of another version is folded anew.
"""

from collections import Counter
from typing import Any, Final

import msgspec

from solekey.audit.engine.result import PartResult
from solekey.audit.report import AccountReport, Holder
from solekey.audit.sources.log import BusPlace
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId, Digest, Timestamp
from solekey_protocol.statements import Head

_encode: Final = msgspec.json.Encoder(enc_hook=str).encode
_decode: Final = msgspec.json.Decoder().decode
_OF_ONE_AUDIT: Final = "HED-01"
"""A check that counts what one audit holds against the one before."""


def encode_result(result: PartResult) -> bytes | None:
    """Encode a result; None where something was found, or is to be read: it has to be found again."""
    tally = result.tally
    if tally.findings or tally.notices or tally.shared:
        return None
    looked_at = {check: count for check, count in tally.looked_at.items() if check != _OF_ONE_AUDIT}
    holders = [_list_holder(value, holder) for value, holder in tally.holders.items()]
    covert = tally.covert
    accounts = [_list_account(each) for each in result.accounts]
    counts = result.records, result.repeated, result.first, result.last
    return _encode([*counts, looked_at, covert.bits, covert.digests, covert.most, holders, accounts])


def decode_result(raw: bytes) -> PartResult:
    """Decode what ``encode_result`` has made. Raises msgspec.DecodeError, ValueError for other bytes."""
    records, repeated, first, last, looked_at, bits, digests, most, holders, accounts = _decode(raw)
    result = PartResult(records=records, repeated=repeated)
    result.first = None if first is None else Timestamp(first)
    result.last = None if last is None else Timestamp(last)
    tally = result.tally
    tally.looked_at = Counter(looked_at)
    tally.covert.bits, tally.covert.digests, tally.covert.most = Counter(bits), Counter(digests), most
    tally.holders = {bytes.fromhex(each[0]): _take_holder(each) for each in holders}
    result.accounts = [_take_account(each) for each in accounts]
    return result


def _list_holder(value: bytes, holder: Holder) -> list[Any]:
    place = holder.place
    where = [place.topic, place.partition, place.offset] if place is not None else None
    return [
        value.hex(),
        holder.time,
        holder.account,
        holder.stream,
        holder.seq,
        holder.check,
        holder.code,
        where,
    ]


def _take_holder(listed: list[Any]) -> Holder:
    _, time, account, stream, seq, check, code, where = listed
    place = None if where is None else BusPlace(*where)
    return Holder(time, AccountId(account), Stream(stream), seq, check, code, place)


def _list_account(report: AccountReport) -> list[Any]:
    heads = {stream.value: [head.seq, head.digest] for stream, head in report.heads.items()}
    return [
        report.account,
        report.events,
        heads,
        report.pinned,
        report.founded,
        report.trusted_devices,
        report.revoked_devices,
        report.live_wraps,
        report.commits,
    ]


def _take_account(listed: list[Any]) -> AccountReport:
    account, events, heads, pinned, founded, trusted, revoked, wraps, commits = listed
    return AccountReport(
        AccountId(account),
        events,
        {Stream(stream): Head(seq, Digest(digest)) for stream, (seq, digest) in heads.items()},
        pinned,
        founded,
        trusted,
        revoked,
        tuple((secret, epoch, version) for secret, epoch, version in wraps),
        commits,
    )
