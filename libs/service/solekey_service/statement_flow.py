"""How a service takes a client's signed statement: the same steps in devices, vault and rotation.

::

    parse -> is the caller its author? -> prepare what takes long
    -> [one transaction: said before? -> does it continue the head?
    -> has this service seen what its author saw? -> is it signed by a device that is trusted now?
    -> does it ask for a fresh second factor? -> do the streams that its author saw bear it out? -> decide
    -> append -> record]
    -> answer with the event's exact bytes

A statement that was taken before is answered with its event again: its hash is the idempotency key.
Spec: conventions.md §4.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from solekey_eventlog.errors import EventLogError, NotYetAppliedError, StalePositionError
from solekey_eventlog.store import UnitOfWork
from solekey_eventlog.streams import AnyStream
from solekey_protocol.encoding import Json
from solekey_protocol.errors import ForkError, ProtocolError, UntrustedDeviceError
from solekey_protocol.event import Event
from solekey_protocol.events import Body, Stream
from solekey_protocol.ids import AccountId, SessionId
from solekey_protocol.lineage import Account, verify_lineage
from solekey_protocol.statements import Head, SignedStatement, Statement, parse_signed_statement
from solekey_protocol.streams import DevicesStream, DeviceStatus
from solekey_service.access.guard import verify_stepped_up
from solekey_service.event_rate import verify_rate
from solekey_service.http import Caller, Request, Response, event_response, expect_members, parse_json_body
from solekey_service.kernel import Kernel
from solekey_service.refusals import DeviceNotTrusted, Forbidden, Refusal, RevokedDevice

Record = Callable[[UnitOfWork, AccountId], None]
"""Writes the rows that belong to a decision, in its transaction."""


def record_nothing(uow: UnitOfWork, account: AccountId) -> None:
    """The Record of a decision without rows."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from a verified statement."""

    said: Sequence[Body | SignedStatement]
    record: Record = record_nothing


Decide = Callable[[UnitOfWork, SignedStatement, Mapping[str, Json]], Decision]
"""Decides about a statement; the mapping is the whole request document."""

AsksStepUp = Callable[[UnitOfWork, SignedStatement], bool]
"""Whether a statement is taken only from a session whose user proved a second factor a short time ago."""

_MEMBERS: Final = ("statement", "signatures")


class StatementFlow:
    """Takes statements for one service's stream."""

    def __init__(
        self,
        kernel: Kernel,
        decide: Decide,
        *,
        optional_members: Sequence[str] = (),
        prepare: Callable[[SignedStatement], None] = lambda signed: None,  # noqa: ARG005  # most need nothing
        asks_step_up: AsksStepUp = lambda uow, signed: False,  # noqa: ARG005  # most statements ask for none
    ) -> None:
        self._kernel = kernel
        self._stream = kernel.definition.stream
        self._decide = decide
        self._optional_members = optional_members
        self._prepare = prepare
        self._asks_step_up = asks_step_up

    def take(self, request: Request) -> Response:
        """Append the statement that a request carries: 201 with its event, 200 when it was taken before.

        Raises:
            MalformedError, SchemaError, BadRequest: the document is not a signed statement of this stream.
            Forbidden, DeviceNotTrusted, RevokedDevice: the author is not the caller, or may not write.
            StalePositionError: it does not continue the head. ForkError: it saw another history of a stream.
            NotYetAppliedError: it saw more of another stream than this service.
            StepUpRequired: it asks for a fresh second factor.
            RateLimited, QuotaExceeded: the account says too much.
            SignatureError, TransitionError, Refusal: what ``decide`` and the stream refuse.
        """
        document = expect_members(parse_json_body(request), _MEMBERS, self._optional_members)
        signed = parse_signed_statement({name: document[name] for name in _MEMBERS})
        statement = _verify_author(request.authenticated, signed.statement)
        self._kernel.freshness.await_positions(
            statement.account, {stream: head.seq for stream, head in statement.heads.items()}
        )
        self._prepare(signed)
        try:
            event, status = self._take(signed, document, request.authenticated.session)
        except StalePositionError:
            # The same statement may have come twice at the same moment, and the other one was faster.
            found = self._find(signed)
            if found is None:
                raise
            event, status = found, 200
        return event_response(event, status)

    def _find(self, signed: SignedStatement) -> Event | None:
        with self._kernel.store.read() as uow:
            return uow.find_statement(signed.statement.account, signed.digest)

    def _take(
        self, signed: SignedStatement, document: Mapping[str, Json], session: SessionId
    ) -> tuple[Event, int]:
        statement = signed.statement
        streams = self._kernel.streams
        with self._kernel.store.begin() as uow:
            found = uow.find_statement(statement.account, signed.digest)
            if found is not None:
                return found, 200
            streams.require_free(uow, statement.account)
            state = streams.fold(uow, statement.account, self._stream)
            head = _verify_place(statement, state.head)
            verify_rate(uow, head, signed, self._kernel.config)
            self._verify_seen(uow, statement)
            if self._stream is not Stream.DEVICES:  # whose own fold verifies in ``decide``
                _verify_trusted(streams.devices(uow, statement.account), signed)
            if self._asks_step_up(uow, signed):
                auth = streams.auth(uow, statement.account)
                verify_stepped_up(auth, session, uow.now, self._kernel.config.step_up_s)
            decision = self._decide_at(uow, head, signed, document)
            events = uow.append(statement.account, head, *decision.said)
            _verify_followed(state, events)
            decision.record(uow, statement.account)
            return next(event for event in events if event.signed == signed), 201

    def _decide_at(
        self, uow: UnitOfWork, head: Head, signed: SignedStatement, document: Mapping[str, Json]
    ) -> Decision:
        """Decide; a refusal counts only while the stream stands still.

        On PostgreSQL another statement may be committed between two reads: what looks wrong is only late.
        """
        try:
            self._verify_lineage(uow, signed)
            return self._decide(uow, signed, document)
        except (Refusal, ProtocolError, EventLogError) as refusal:
            now = uow.head(signed.statement.account)
            if now != head:
                raise StalePositionError(now) from refusal
            raise

    def _verify_seen(self, uow: UnitOfWork, statement: Statement) -> Statement:
        """Verify that nothing is decided here on less than the author knew."""
        for stream, seen in statement.heads.items():
            if stream not in self._kernel.streams.subscribed:
                continue
            known = self._kernel.streams.position(uow, statement.account, stream)
            if seen.seq > known.seq:
                raise NotYetAppliedError(f"the statement saw {stream} seq {seen.seq}; here it is {known.seq}")
            if seen.seq == known.seq and seen.digest != known.digest:
                raise ForkError(f"the statement saw another {stream} history at seq {seen.seq}")
        return statement

    def _verify_lineage(self, uow: UnitOfWork, signed: SignedStatement) -> None:
        """Verify what ties the statement to the other streams. Raises LineageError."""
        streams, account = self._kernel.streams, signed.statement.account
        if {Stream.DEVICES, Stream.VAULT, Stream.ROTATION} <= {self._stream, *streams.subscribed}:
            verify_lineage(
                signed,
                Account(
                    streams.devices(uow, account),
                    streams.vault(uow, account),
                    streams.rotation(uow, account),
                ),
            )


def _verify_author(caller: Caller, statement: Statement) -> Statement:
    if (statement.account, statement.device) != (caller.account, caller.device):
        raise Forbidden("a statement is sent by its own author: account and device must be the session's")
    return statement


def _verify_place(statement: Statement, head: Head) -> Head:
    if (statement.seq, statement.prev) != (head.seq + 1, head.digest):
        raise StalePositionError(head)
    return head


def _verify_trusted(devices: DevicesStream, signed: SignedStatement) -> Statement:
    """Verify that the author was trusted at the devices head that it saw (as verifiers will), and is now."""
    device = devices.devices.get(signed.statement.device)
    if device is not None and device.status is DeviceStatus.REVOKED:
        raise RevokedDevice("this device was revoked by its account")
    if device is None or device.status is not DeviceStatus.TRUSTED:
        raise DeviceNotTrusted("this device is not trusted yet: certify it with the user key")
    try:
        return devices.verify_statement(signed)
    except UntrustedDeviceError as error:
        raise DeviceNotTrusted(f"{error}: say it again with the newest devices head") from error


def _verify_followed(state: AnyStream, events: Sequence[Event]) -> AnyStream:
    """Verify that the stream goes on with these events, as every verifier will find."""
    for event in events:
        state = state.evolve(event)
    return state
