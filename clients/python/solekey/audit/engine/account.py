"""One account of a log: its branches, its folds, its lineage, and what the checks make of them."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from solekey.audit.checks import ACCOUNT_CHECKS, SYSTEM_CHECKS, heads, signing_keys
from solekey.audit.checks.evidence import Evidence
from solekey.audit.checks.objects import check_objects
from solekey.audit.engine.branches import Branch, choose_branch
from solekey.audit.engine.context import Context, Heads
from solekey.audit.report import AccountReport, Finding, Holder, Tally
from solekey.audit.sources.log import BusPlace
from solekey_protocol.errors import GapError, ProtocolError
from solekey_protocol.event import Event
from solekey_protocol.events import Stream
from solekey_protocol.ids import SYSTEM_ACCOUNT, AccountId, Digest
from solekey_protocol.lineage import Account, is_tied, verify_lineage
from solekey_protocol.services import V1_STREAMS
from solekey_protocol.streams import FOLDS, AuthStream, DevicesStream, Fold, RotationStream, VaultStream

S = TypeVar("S", bound=Fold)

_CHECKS_BY_CODE: Final = {
    "sequence_gap": "CHN-01",
    "chain_broken": "CHN-01",
    "chain_fork": "CHN-02",
    "signature_invalid": "SIG-01",
    "untrusted_device": "SIG-01",
}
"""Which check a fold's refusal belongs to; all others are steps that a stream does not allow."""


@dataclass(slots=True)
class AccountLog:
    """What a log holds of one account, by place, in the order of arrival."""

    account: AccountId
    places: dict[Stream, dict[int, list[Event]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    located: dict[Digest, BusPlace] = field(default_factory=dict)
    repeated: int = 0

    def add(self, event: Event, place: BusPlace | None) -> None:
        """Add an event; the same bytes again are only counted."""
        known = self.places[event.stream][event.seq]
        if known and any(each.raw == event.raw for each in known):
            self.repeated += 1
            return
        known.append(event)
        if place is not None:
            self.located[event.digest] = place


@dataclass(frozen=True, slots=True)
class Followed:
    """A stream as far as it was followed.

    Attributes:
        branch: the history that was followed.
        state: the fold of all that verifies.
        facts: the fold of what nothing contests.
        refusal: the check and code at which it broke off; None where it did not.
    """

    branch: Branch
    state: Fold
    facts: Fold
    refusal: str | None

    def tell(self, event: Event) -> str | None:
        """Say why an event of the stream is no fact; None where it is one."""
        if self.branch.contested is not None and event.seq >= self.branch.contested:
            return "CHN-02 chain_fork"
        if self.branch.events.get(event.seq) is not event:
            return "CHN-02 chain_fork"
        if event.seq <= self.state.head.seq:
            return None
        return self.refusal or "CHN-01 sequence_gap"


@dataclass(frozen=True, slots=True)
class VerifiedAccount:
    """An account after its verification, before its events are dropped."""

    report: AccountReport
    streams: Mapping[Stream, Followed]
    log: AccountLog

    def locate_holder(self, holder: Holder) -> Holder:
        """Say where on the bus the event of a holder lies."""
        if not self.log.located:
            return holder
        event = self.streams[holder.stream].branch.events.get(holder.seq)
        return holder if event is None else replace(holder, place=self.log.located.get(event.digest))

    def locate(self, finding: Finding) -> Finding:
        """Say where on the bus the event of a finding lies."""
        if finding.place is not None or finding.seq is None or not self.log.located:
            return finding
        followed = self.streams.get(Stream(finding.stream)) if finding.account else None
        event = followed.branch.events.get(finding.seq) if followed is not None else None
        return finding if event is None else replace(finding, place=self.log.located.get(event.digest))


@dataclass(frozen=True, slots=True)
class _Tied:
    """An event that other streams must bear out, and what its own stream was before it."""

    event: Event
    before: DevicesStream | VaultStream | RotationStream


class AccountAudit:
    """Verifies one account. Spec: audit.md §2, §3."""

    def __init__(self, log: AccountLog, context: Context, tally: Tally) -> None:
        self._log = log
        self._context = context
        self._tally = tally
        self._pin = context.pins.get(log.account)
        self._seen: Heads = context.seen.get(log.account, {})
        self._tied: list[_Tied] = []
        self._branches = {stream: self._choose(stream) for stream in Stream}

    def run(self, system: Sequence[Event]) -> VerifiedAccount:
        """Verify the account.

        Args:
            system: the auth events of the platform's own account.
        """
        account, tally = self._log.account, self._tally
        devices, own = self._fold(
            DevicesStream.start(account), lambda state, event: state.apply(event, state)
        )
        streams = {Stream.DEVICES: own}
        auth, streams[Stream.AUTH] = self._fold(AuthStream.start(account), _apply_with(devices))
        vault, streams[Stream.VAULT] = self._fold(VaultStream.start(account), _apply_with(devices))
        rotation, streams[Stream.ROTATION] = self._fold(RotationStream.start(account), _apply_with(devices))
        for stream in FOLDS.keys() - set(V1_STREAMS):
            _, streams[stream] = self._fold(FOLDS[stream].start(account), _apply_with(devices))
        together = Account(devices, vault, rotation)
        self._check_lineage(together)
        places = {stream: branch.events for stream, branch in self._branches.items()}
        heads.check_seen(account, places, tally)
        heads.check_pin(account, places, self._pin, tally)
        heads.check_signatures(devices, self._pin, tally)
        heads.check_restorations(devices, self._pin, tally)
        self._check_last(account)
        evidence = Evidence.collect(places, auth, together, self._context.bounds)
        for check in SYSTEM_CHECKS if account == SYSTEM_ACCOUNT else ACCOUNT_CHECKS:
            check(evidence, tally)
        if account != SYSTEM_ACCOUNT:
            signing_keys.check_signing_keys(evidence, system, tally)
        if self._context.stored is not None:
            check_objects(evidence, self._context.stored, tally)
        return VerifiedAccount(self._report(streams), streams, self._log)

    def _choose(self, stream: Stream) -> Branch:
        """CHN-02: choose the branch that is followed, and name the events that are not."""
        known = self._pin.find(stream) if self._pin is not None else []
        known += [self._seen[stream]] if stream in self._seen else []
        branch = choose_branch(self._log.places.get(stream, {}), known)
        self._tally.look("CHN-02", len(branch.events) + len(branch.others))
        for other in branch.others:
            followed = branch.events[other.seq]
            detail = f"two events claim this place: {followed.digest} and {other.digest}"
            place = self._log.located.get(other.digest)
            self._tally.find_at("CHN-02", "chain_fork", other, detail, place)
        return branch

    def _fold(self, state: S, apply: Callable[[S, Event], S]) -> tuple[S, Followed]:
        """Follow a stream as far as it verifies; what comes after a break cannot be judged."""
        branch = self._branches[state.chain.stream]
        trusted = self._find_trusted(state.chain.stream)
        facts, refusal, seq = None, None, 0
        for seq in sorted(branch.events):
            event, before = branch.events[seq], state
            if facts is None and branch.contested is not None and seq >= branch.contested:
                facts = state
            try:
                state = state.evolve(event) if seq <= trusted else apply(state, event)
            except ProtocolError as error:
                check = _CHECKS_BY_CODE.get(error.code, "SIG-02")
                refusal = f"{check} {error.code}"
                self._tally.find_at(check, error.code, event, str(error))
            if refusal is not None:
                break
            if not is_tied(event.body) or not isinstance(
                before, DevicesStream | VaultStream | RotationStream
            ):
                continue
            if seq > trusted:
                self._tied.append(_Tied(event, before))
            elif self._context.keeps:
                self._tally.look("LIN-01", int(event.signed is not None))
        self._look(branch, seq, trusted)
        return state, Followed(branch, state, state if facts is None else facts, refusal)

    def _look(self, branch: Branch, last: int, trusted: int) -> None:
        """Note what a fold has looked at: all events up to the last, which is the one that it refused."""
        events = [event for seq, event in branch.events.items() if seq <= last]
        self._tally.look("CHN-01", len(events))
        self._tally.look("SIG-02", len(events))
        from_ = 0 if self._context.keeps else trusted
        signed = sum(event.signed is not None and event.seq > from_ for event in events)
        self._tally.look("SIG-01", signed)

    def _find_trusted(self, stream: Stream) -> int:
        """How far the last audit has verified these very bytes."""
        head = self._seen.get(stream)
        return head.seq if head is not None and self._branches[stream].holds(head) else 0

    def _check_last(self, account: AccountId) -> None:
        """HED-01: what the last audit has seen is in the log."""
        for stream, head in self._seen.items():
            self._tally.look("HED-01")
            if head.seq and not self._branches[stream].holds(head):
                detail = f"the last audit has seen this event ({head.digest}) and all before it"
                self._tally.find("HED-01", "rolled_back", account, stream, head.seq, detail)

    def _check_lineage(self, account: Account) -> None:
        """LIN-01: what a statement needs of the other streams, at the heads that it claims (lineage.md)."""
        for statement in self._tied:
            event = statement.event
            if event.signed is None:
                continue
            self._tally.look("LIN-01")
            try:
                verify_lineage(event.signed, account.before(statement.before))
            except GapError:
                continue  # CHN-03 says so
            except ProtocolError as error:
                self._tally.find_at("LIN-01", error.code, event, str(error))

    def _report(self, streams: Mapping[Stream, Followed]) -> AccountReport:
        devices, vault = streams[Stream.DEVICES].facts, streams[Stream.VAULT].facts
        assert isinstance(devices, DevicesStream)  # noqa: S101  # by its key
        assert isinstance(vault, VaultStream)  # noqa: S101  # by its key
        counts = [len(events) for places in self._log.places.values() for events in places.values()]
        return AccountReport(
            account=self._log.account,
            events=sum(counts),
            heads={stream: each.facts.head for stream, each in streams.items() if each.facts.head.seq},
            pinned=self._pin is not None and self._pin.vouches,
            founded=devices.account_key is not None,
            trusted_devices=len(devices.trusted),
            revoked_devices=sum(device.revoked_at is not None for device in devices.devices.values()),
            live_wraps=tuple(
                (wrap.wrapped.secret.value, wrap.wrapped.epoch, wrap.wrapped.wrap_version)
                for wrap in vault.live_wraps()
            ),
            commits=vault.last_commit,
        )


def _apply_with(devices: DevicesStream) -> Callable[[S, Event], S]:
    return lambda state, event: state.apply(event, devices)
