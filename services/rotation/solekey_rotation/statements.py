"""Statements for the rotation stream. Spec: rotation.md §3."""

from collections.abc import Mapping

from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.encoding import Json
from solekey_protocol.event import Event
from solekey_protocol.events.rotation import PolicySet, RotationStarted
from solekey_protocol.statements import SignedStatement, Statement
from solekey_protocol.streams import RotationStream
from solekey_rotation.domain import verify_none_open
from solekey_rotation.schedule import Schedule
from solekey_service.statement_handler import StatementHandler


class RotationStatements(StatementHandler[RotationStream, None]):
    """A statement needs no context: what the other streams must show is verified by the lineage rules."""

    kind = RotationStream

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def asks_step_up(self, uow: UnitOfWork, state: RotationStream, signed: SignedStatement) -> bool:  # noqa: ARG002  # the state tells
        """Another policy, and a rotation that nobody has announced as due, require a fresh second factor."""
        body = signed.statement.body
        return isinstance(body, PolicySet) or (
            isinstance(body, RotationStarted) and body.kind not in state.due
        )

    def gather(self, uow: UnitOfWork, signed: SignedStatement, document: Mapping[str, Json]) -> None:  # noqa: ARG002  # it only locks
        """Lock the account's key ages until the commit: they are written after the event."""
        self._schedule.lock(uow, signed.statement.account)

    def verify(self, state: RotationStream, context: None, signed: SignedStatement) -> Statement:  # noqa: ARG002  # there is no context
        """See domain.verify_none_open."""
        return verify_none_open(state, signed.statement)

    def record(self, uow: UnitOfWork, context: None, event: Event) -> None:  # noqa: ARG002  # there is no context
        """Note when the account's keys become due now."""
        self._schedule.renew(uow, event.account)
