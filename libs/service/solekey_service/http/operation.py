"""What a route does, by the names that its service gives it: a label for logs and numbers."""

from typing import Final, NamedTuple


class Operation(NamedTuple):
    """The operation of a route, as the OpenAPI document names it, and whose it is."""

    service: str
    name: str


NO_OPERATION: Final = Operation("none", "none")
"""Of a request that no route answers."""
