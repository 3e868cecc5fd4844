"""What a service adds to the way in which every service takes statements: see statement_flow.py."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, TypeVar

from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.encoding import Json
from solekey_protocol.event import Event
from solekey_protocol.statements import SignedStatement, Statement
from solekey_protocol.streams import Fold

StateT = TypeVar("StateT", bound=Fold)
ContextT = TypeVar("ContextT")


class StatementHandler(ABC, Generic[StateT, ContextT]):
    """What one service knows of the statements for its stream. ``ContextT`` is what verifying one needs.

    Everything that is not the service's own is done by StatementFlow: who the author is, the place in the
    stream, signatures, rates, the rules between streams, and the transition of the stream itself.
    """

    kind: type[StateT]
    """The fold of the service's stream."""
    optional_members: ClassVar[Sequence[str]] = ()
    """Members of the request beside the statement and its signatures."""

    def prepare(self, signed: SignedStatement) -> None:
        """Do what takes long, before the transaction. Most statements need nothing."""

    def conclude(self, signed: SignedStatement) -> None:
        """Forget what was prepared, once the statement's event is committed. Most have nothing."""

    def asks_step_up(self, uow: UnitOfWork, state: StateT, signed: SignedStatement) -> bool:  # noqa: ARG002  # most ask for none
        """Tell whether the session's user must have proven a second factor a short time ago."""
        return False

    @abstractmethod
    def gather(self, uow: UnitOfWork, signed: SignedStatement, document: Mapping[str, Json]) -> ContextT:
        """Gather what verifying needs, and lock what must not change before the commit.

        Args:
            uow: the transaction.
            signed: the statement; who signed it is verified.
            document: the whole request.
        """

    @abstractmethod
    def verify(self, state: StateT, context: ContextT, signed: SignedStatement) -> Statement:
        """Verify what only this service can tell of a statement. Pure. Raises Refusal or ProtocolError."""

    def record(self, uow: UnitOfWork, context: ContextT, event: Event) -> None:
        """Write the rows that belong to the statement's event, in its transaction. Most have none."""
