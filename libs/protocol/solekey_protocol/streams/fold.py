"""What every fold can do: begin, follow the next event, verify who signed it. Spec: events.md §5.

A service's stream is a frozen value; each of the four subclasses adds what its events amount to.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, Self

from solekey_protocol.event import Event
from solekey_protocol.ids import AccountId
from solekey_protocol.services import Stream
from solekey_protocol.statements import Head, SignedStatement, Statement
from solekey_protocol.streams.chain import Chain


class TrustedDevices(Protocol):
    """What says whose signatures count: the account's devices stream."""

    def verify_statement(self, signed: SignedStatement) -> Statement:
        """Verify a statement for another stream than its own; see DevicesStream.verify_statement."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold(ABC):
    """One stream of one account, followed up to ``head``."""

    STREAM: ClassVar[Stream]
    VERSION: ClassVar[int] = 1
    """Raised when the same events amount to something else than before: kept snapshots are made anew."""

    chain: Chain

    @classmethod
    def start(cls, account: AccountId) -> Self:
        """The stream before its first event."""
        return cls(chain=Chain(account=account, stream=cls.STREAM))

    @property
    def head(self) -> Head:
        """The last event followed."""
        return self.chain.head

    def apply(self, event: Event, devices: TrustedDevices) -> Self:
        """Verify the signatures of the next event and follow it.

        Args:
            event: the next event.
            devices: the account's devices stream, which says whose signatures count.

        Raises:
            ChainError, TransitionError: as ``evolve``.
            SignatureError, UntrustedDeviceError, GapError, ForkError: as ``verify``.
        """
        chain = self.chain.follow(event)
        if event.signed is not None:
            self.verify(event.signed, devices)
        return self._go_on(self._transition(event), chain)

    def evolve(self, event: Event) -> Self:
        """Follow the next event without verifying signatures.

        Raises:
            ChainError: not the next event. TransitionError: a rule of the stream is broken.
        """
        chain = self.chain.follow(event)
        return self._go_on(self._transition(event), chain)

    def verify(self, signed: SignedStatement, devices: TrustedDevices) -> Statement:
        """Verify that a statement for this stream is signed by all keys that its type requires.

        Raises:
            SignatureError: a signature is missing, or not made by the right key.
            UntrustedDeviceError: its device was not trusted at the devices head that it claims.
            GapError: that head is ahead of ``devices``. ForkError: it is of another history.
            TransitionError: the key that must have signed does not exist yet.
        """
        return devices.verify_statement(signed)

    def _go_on(self, following: Self, chain: Chain) -> Self:
        """Set the chain of a state that a transition has just made: nobody else holds it yet, so no copy."""
        if following is self:
            return replace(self, chain=chain)
        object.__setattr__(following, "chain", chain)
        return following

    @abstractmethod
    def _transition(self, event: Event) -> Self:
        """What the stream is after an event, its chain apart: a new value, or this one where nothing changes.

        Raises:
            TransitionError: it may not follow.
        """
