"""What makes a dataclass an event: its type, its stream, and who must sign it. Spec: events.md §2."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, TypeVar

from solekey_protocol.services import Stream


class Signer(StrEnum):
    """Whose key a signature of a statement was made with."""

    DEVICE = "device"
    ACCOUNT = "account"
    NEXT_ACCOUNT = "next_account"
    COMMIT = "commit"


@dataclass(frozen=True, slots=True)
class Body:
    """Base of every event body; the members are the subclass's fields."""

    TYPE: ClassVar[str]
    STREAM: ClassVar[Stream]
    SIGNERS: ClassVar[frozenset[Signer]]


B = TypeVar("B", bound=Body)

BODIES: dict[str, type[Body]] = {}
"""Every event body by its type: the catalogue."""


def event(stream: Stream, name: str, *signers: Signer) -> Callable[[type[B]], type[B]]:
    """Register a body dataclass as the event ``solekey.<stream>.<name>``.

    A client's statement carries the body when signers are named; otherwise it is the service's own fact.
    """

    def register(cls: type[B]) -> type[B]:
        cls.TYPE = f"solekey.{stream}.{name}"
        cls.STREAM = stream
        cls.SIGNERS = frozenset(signers)
        BODIES[cls.TYPE] = cls
        return cls

    return register
