"""What clients and users have seen must be in the log, with the same bytes. Spec: audit.md §2."""

from collections.abc import Iterator, Mapping

from solekey.audit.checks.evidence import Places
from solekey.audit.pins import Pin
from solekey.audit.report import Tally
from solekey_protocol.errors import SignatureError
from solekey_protocol.event import Event
from solekey_protocol.events import Stream
from solekey_protocol.events.devices import AccountFounded
from solekey_protocol.ids import AccountId, SignatureHex
from solekey_protocol.pinned_heads import PinnedHeads
from solekey_protocol.statements import Head
from solekey_protocol.streams import DevicesStream


def check_seen(account: AccountId, places: Places, tally: Tally) -> None:
    """CHN-03: what a client saw of another stream is in the log; of what is missing, each range is named."""
    last: dict[Stream, tuple[int, Event]] = {}
    looked_at = 0
    for stream in Stream:
        found: dict[Stream, Head] = {}
        for seq in sorted(places.get(stream, {})):
            event = places[stream][seq]
            for other, head in event.signed.statement.heads.items() if event.signed else ():
                looked_at += 1
                if found.get(other) is head:
                    continue  # what the statement before had seen, too: found
                if head.seq > last.get(other, (0, event))[0]:
                    last[other] = (head.seq, event)
                known = places.get(other, {}).get(head.seq)
                if known is not None and known.digest == head.digest:
                    found[other] = head
                elif known is not None:
                    detail = f"{stream} {event.seq} saw other bytes here: {head.digest}"
                    tally.find("CHN-03", "chain_fork", account, other, head.seq, detail)
    tally.look("CHN-03", looked_at)
    for other, (end, event) in last.items():
        for first, final in _find_gaps(places.get(other, {}), end):
            detail = f"{event.stream} {event.seq} saw {first} to {final}; the log does not hold them"
            tally.find("CHN-03", "event_withheld", account, other, first, detail)


def _find_gaps(known: Mapping[int, Event], end: int) -> Iterator[tuple[int, int]]:
    """The ranges that are missing up to a place, first and last of each."""
    expected = 1
    for seq in sorted(each for each in known if each <= end):
        if seq > expected:
            yield expected, seq - 1
        expected = seq + 1
    if expected <= end:
        yield expected, end


def check_signatures(devices: DevicesStream, pin: Pin | None, tally: Tally) -> None:
    """PIN-04: whoever signed a head file is a device that the account has trusted."""
    for pinned, signature in pin.signed if pin is not None else ():
        tally.look("PIN-04")
        if not _is_signed(pinned, signature, devices):
            detail = (
                f"the head file of {pinned.made_at} is not signed by {pinned.device}, which nobody trusted"
            )
            tally.find("PIN-04", "head_file_unsigned", pinned.account, Stream.DEVICES, None, detail)


def _is_signed(pinned: PinnedHeads, signature: SignatureHex, devices: DevicesStream) -> bool:
    device = devices.devices.get(pinned.device)
    if device is None or device.trusted_at is None:
        return False
    try:
        pinned.verify(signature, device.certificate.device_key)
    except SignatureError:
        return False
    return True


def check_restorations(devices: DevicesStream, pin: Pin | None, tally: Tally) -> None:
    """PIN-05: what the user has accepted to be lost is told; who accepted it had the account's key."""
    known = {key.account_key for key in devices.keys}
    for accepted, signature in pin.restorations if pin is not None else ():
        tally.look("PIN-05")
        try:
            accepted.verify(signature)
            is_signed = accepted.account_key in known
        except SignatureError:
            is_signed = False
        for stream, loss in accepted.streams.items():
            place = accepted.account, stream, loss.kept.seq + 1
            if is_signed:
                detail = (
                    f"{loss.kept.seq + 1} to {loss.lost.seq} ({loss.lost.digest}), which {accepted.device} "
                    f"had verified, are lost: the operator declares a restoration on {loss.at} to "
                    f"{loss.as_of}, and the user accepted it on {accepted.accepted_at}"
                )
                tally.note("PIN-05", "restoration_accepted", *place, detail)
            else:
                detail = f"the acceptance of {accepted.accepted_at} is not signed with a key of the account"
                tally.find("PIN-05", "restoration_unsigned", *place, detail)


def check_pin(account: AccountId, places: Places, pin: Pin | None, tally: Tally) -> None:
    """PIN-01, PIN-03: it is the account that its user has, and what its user has seen is in the log."""
    if pin is None:
        return
    tally.look("PIN-02", int(pin.vouches))
    if pin.first_key is not None:
        tally.look("PIN-01")
        first = places.get(Stream.DEVICES, {}).get(1)
        founded = first.body.account_key if first and isinstance(first.body, AccountFounded) else None
        if founded != pin.first_key:
            detail = "the account was founded with another key than the pinned one"
            tally.find("PIN-01", "pin_mismatch", account, Stream.DEVICES, 1, detail)
    for stream, head in (*pin.heads.items(), *pin.shorter):
        tally.look("PIN-03")
        event = places.get(stream, {}).get(head.seq)
        if head.seq and event is None:
            detail = f"the account's user has seen this event ({head.digest}); the log does not hold it"
            tally.find("PIN-03", "rolled_back", account, stream, head.seq, detail)
        elif event is not None and event.digest != head.digest:
            detail = f"the account's user has seen other bytes here: {head.digest}"
            tally.find("PIN-03", "chain_fork", account, stream, head.seq, detail)
