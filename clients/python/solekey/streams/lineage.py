"""What ties an account's streams together, verified over its copies. Spec: lineage.md."""

from solekey.errors import ForgedEventError
from solekey.streams.copies import Copies
from solekey.streams.evidence import Evidence
from solekey_protocol.errors import ProtocolError
from solekey_protocol.event import Event
from solekey_protocol.events import Stream
from solekey_protocol.lineage import Account, find_unconfirmed, verify_lineage
from solekey_protocol.statements import EMPTY_HEAD, Statement


def judge_all(copies: Copies, evidence: Evidence) -> None:
    """Compare with the other streams what was followed and not judged yet, at the heads that its author saw.

    Raises:
        ForgedEventError: a statement that the other streams do not bear out.
        HistoryForkError: its author saw other records than are here.
    """
    newest = Account(copies.devices.state, copies.vault.state, copies.rotation.state)
    for copy in (copies.devices, copies.vault, copies.rotation):
        for signed, before in copy.unjudged:
            statement = signed.statement
            _verify_claimed(copies, evidence, statement)
            try:
                verify_lineage(signed, newest.before(before))
            except ProtocolError as error:
                place = f"{statement.stream} seq {statement.seq}"
                raise ForgedEventError(f"{place}: {error} [{error.code}]") from error
        copy.unjudged.clear()


def find_unconfirmed_events(copies: Copies) -> list[Event]:
    """Find what revoked devices signed after their revocation's author had looked, and nobody confirmed."""
    found: list[Event] = []
    devices = copies.devices.state
    for copy in (copies.vault, copies.rotation):
        seen = copy.state.chain.seen.get(Stream.DEVICES, EMPTY_HEAD)
        behind = [
            device.revocation_heads.get(copy.stream, EMPTY_HEAD).seq
            for device in devices.devices.values()
            if (device.revoked_at or 0) > seen.seq
        ]
        if behind:  # what the authors of the revocations had seen is not asked about
            found += find_unconfirmed(devices, seen.seq, copy.events[min(behind) :])
    return found


def _verify_claimed(copies: Copies, evidence: Evidence, statement: Statement) -> None:
    """Verify that what a statement is judged by is what its author had seen."""
    for other, head in statement.heads.items():
        shown = copies[other].events
        if 0 < head.seq <= len(shown) and shown.find_digest(head.seq) != head.digest:
            evidence.raise_fork(other, head.seq, shown[head.seq - 1].raw, head.digest.encode())
