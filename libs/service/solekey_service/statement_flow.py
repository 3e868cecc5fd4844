"""How a service takes a client's signed statement: the same steps in devices, vault and rotation.

::

    parse -> is the caller its author? -> prepare what takes long
    -> [one transaction: taken before? -> does it continue the head?
    -> has this service seen what its author saw? -> is it signed by a device that is trusted now?
    -> does it require a fresh second factor? -> do the streams that its author saw bear it out?
    -> gather its context -> verify it -> append -> does the stream go on with it? -> record]
    -> answer with the event's exact bytes

The steps in the middle are the service's own: its StatementHandler. A statement that was taken before is
answered with its event again: its hash is the idempotency key. Spec: conventions.md §4.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Generic

from solekey_eventlog.errors import EventLogError, NotYetAppliedError, StalePositionError
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.encoding import Json
from solekey_protocol.errors import ForkError, ProtocolError, SchemaError, UntrustedDeviceError
from solekey_protocol.event import Event
from solekey_protocol.events import Stream
from solekey_protocol.ids import SessionId
from solekey_protocol.lineage import Account, verify_lineage
from solekey_protocol.statements import Head, SignedStatement, Statement, parse_signed_statement
from solekey_protocol.streams import (
    AuthStream,
    DevicesStream,
    DeviceStatus,
    Fold,
    RotationStream,
    VaultStream,
)
from solekey_service.access.guard import verify_stepped_up
from solekey_service.config import ServiceConfig
from solekey_service.event_rate import verify_rate
from solekey_service.http import Caller, Request, Response, event_response, expect_members, parse_json_body
from solekey_service.kernel import Kernel
from solekey_service.refusals import DeviceNotTrusted, Forbidden, Refusal, RevokedDevice
from solekey_service.statement_handler import ContextT, StatementHandler, StateT

_MEMBERS: Final = ("statement", "signatures")


class StatementFlow(Generic[StateT, ContextT]):
    """Takes statements for one service's stream."""

    def __init__(self, kernel: Kernel[ServiceConfig], handler: StatementHandler[StateT, ContextT]) -> None:
        self._kernel = kernel
        self._handler = handler

    def take(self, request: Request) -> Response:
        """Append the statement that a request carries: 201 with its event, 200 when it was taken before.

        Raises:
            MalformedError, SchemaError, BadRequest: the document is not a signed statement of this stream.
            Forbidden, DeviceNotTrusted, RevokedDevice: the author is not the caller, or may not write.
            StalePositionError: it does not continue the head. ForkError: it saw another history of a stream.
            NotYetAppliedError: it saw more of another stream than this service.
            StepUpRequired: it requires a fresh second factor.
            RateLimited, QuotaExceeded: the account says too much.
            SignatureError, TransitionError, Refusal: what the stream and its handler refuse.
        """
        document = expect_members(parse_json_body(request), _MEMBERS, self._handler.optional_members)
        signed = parse_signed_statement({name: document[name] for name in _MEMBERS})
        statement = _verify_stream(
            _verify_author(request.authenticated, signed.statement), self._handler.kind
        )
        self._kernel.freshness.await_positions(
            statement.account, {stream: head.seq for stream, head in statement.heads.items()}
        )
        self._handler.prepare(signed)
        self._kernel.streams.prepare((statement.account, self._handler.kind))
        try:
            event, status = self._take(signed, document, request.authenticated.session)
        except StalePositionError:
            # The same statement may have come twice at the same moment, and the other one was appended first.
            found = self._find(signed)
            if found is None:
                raise
            event, status = found, 200
        self._handler.conclude(signed)
        return event_response(event, status)

    def _find(self, signed: SignedStatement) -> Event | None:
        with self._kernel.store.read() as uow:
            return uow.find_statement(signed.statement.account, signed.digest)

    def _take(
        self, signed: SignedStatement, document: Mapping[str, Json], session: SessionId
    ) -> tuple[Event, int]:
        handler, account = self._handler, signed.statement.account
        with self._kernel.store.begin() as uow:
            found = uow.find_statement(account, signed.digest)
            if found is not None:
                return found, 200
            streams = self._kernel.streams
            streams.look_up(uow, *((account, stream) for stream in (streams.own, *streams.subscribed)))
            state = streams.fold(uow, account, handler.kind)
            head = _verify_place(signed.statement, state.head)
            verify_rate(uow, head, signed, self._kernel.config)
            self._verify_seen(uow, signed.statement)
            self._verify_signed(uow, state, signed)
            if handler.asks_step_up(uow, state, signed):
                auth = self._kernel.streams.fold(uow, account, AuthStream)
                verify_stepped_up(auth, session, uow.now, self._kernel.config.step_up_s)
            with _refusing_at(uow, signed.statement, head):
                self._verify_lineage(uow, signed)
                context = handler.gather(uow, signed, document)
                handler.verify(state, context, signed)
            (event,) = uow.append(account, head, signed)
            streams.keep(uow, state.evolve(event))
            handler.record(uow, context, event)
            return event, 201

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

    def _verify_signed(self, uow: UnitOfWork, state: StateT, signed: SignedStatement) -> Statement:
        """Verify the signatures, and in streams other than devices that the author is trusted now."""
        devices = self._kernel.streams.fold(uow, signed.statement.account, DevicesStream)
        if signed.statement.stream is Stream.DEVICES:  # says itself who may extend it
            return state.verify(signed, devices)
        _verify_trusted(devices, signed)
        try:
            return state.verify(signed, devices)
        except UntrustedDeviceError as error:
            raise DeviceNotTrusted(f"{error}: say it again with the newest devices head") from error

    def _verify_lineage(self, uow: UnitOfWork, signed: SignedStatement) -> None:
        """Verify what ties the statement to the other streams. Raises LineageError."""
        streams, account = self._kernel.streams, signed.statement.account
        if {Stream.DEVICES, Stream.VAULT, Stream.ROTATION} <= {
            self._handler.kind.STREAM,
            *streams.subscribed,
        }:
            verify_lineage(
                signed,
                Account(
                    streams.fold(uow, account, DevicesStream),
                    streams.fold(uow, account, VaultStream),
                    streams.fold(uow, account, RotationStream),
                ),
            )


@contextmanager
def _refusing_at(uow: UnitOfWork, statement: Statement, head: Head) -> Iterator[None]:
    """Let a refusal count only while the stream stands still.

    On PostgreSQL another statement may be committed between two reads: what looks wrong is only late.
    """
    try:
        yield
    except (Refusal, ProtocolError, EventLogError) as refusal:
        now = uow.head(statement.account)
        if now != head:
            raise StalePositionError(now) from refusal
        raise


def _verify_stream(statement: Statement, kind: type[Fold]) -> Statement:
    if statement.stream is not kind.STREAM:
        raise SchemaError(f"{statement.body.TYPE} does not belong to the {kind.STREAM} stream")
    return statement


def _verify_author(caller: Caller, statement: Statement) -> Statement:
    if (statement.account, statement.device) != (caller.account, caller.device):
        raise Forbidden("a statement is sent by its own author: account and device must be the session's")
    return statement


def _verify_place(statement: Statement, head: Head) -> Head:
    if (statement.seq, statement.prev) != (head.seq + 1, head.digest):
        raise StalePositionError(head)
    return head


def _verify_trusted(devices: DevicesStream, signed: SignedStatement) -> Statement:
    """Verify that the author is trusted now; whether it was at the head that it saw, the signatures tell."""
    device = devices.devices.get(signed.statement.device)
    if device is not None and device.status is DeviceStatus.REVOKED:
        raise RevokedDevice("this device was revoked by its account")
    if device is None or device.status is not DeviceStatus.TRUSTED:
        raise DeviceNotTrusted("this device is not trusted yet: certify it with the user key")
    return signed.statement
