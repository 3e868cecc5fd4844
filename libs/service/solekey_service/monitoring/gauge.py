"""The declaration of a number that is read when it is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

OwnerT = TypeVar("OwnerT", contravariant=True)

Values = Mapping[tuple[str, ...], float]
"""Numbers by the values of the labels; ``{(): 5.0}`` where there are none."""


def single(value: float) -> Values:
    """Give the value of a gauge without labels."""
    return {(): value}


@dataclass(frozen=True, slots=True)
class Gauge(Generic[OwnerT]):
    """A number of one service.

    Attributes:
        name: ``solekey_…``, with its unit last.
        help: what it is, in one line.
        read: reads it from the service's Api; raises UnavailableError while it cannot be known.
        labels: beside ``service``, in the order of the keys that ``read`` returns. Their values come from
            declarations, never from a request or a row.
        from_memory: whether it is known although the database does not answer.
    """

    name: str
    help: str
    read: Callable[[OwnerT], Values]
    labels: tuple[str, ...] = ()
    from_memory: bool = False
