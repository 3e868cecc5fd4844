"""Which entry point answers which path. The paths of all services of the process lie in one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed as WerkzeugMethodNotAllowed
from werkzeug.routing import Map, Rule

from solekey_service.http import NO_OPERATION, Operation, Request, Response
from solekey_service.http_server.body import BodyReader
from solekey_service.refusals import Kind, NotFound, Refusal


class MethodNotAllowed(Refusal):
    """There is such a path, but not with this method."""

    code, kind, title = "method_not_allowed", Kind.METHOD_NOT_ALLOWED, "The method is not allowed here"

    def __init__(self, allowed: list[str]) -> None:
        super().__init__(f"allowed: {', '.join(allowed)}", extras={"allowed": allowed})
        self.allowed = allowed


class Handler(Protocol):
    """Answers the requests of one route."""

    def handle(self, request: Request, values: Mapping[str, str], body: BodyReader) -> Response:
        """Answer a request whose body has not been read yet. May raise what has a problem document."""
        ...


@dataclass(frozen=True, slots=True)
class Match:
    """A route that fits, and what stood in its ``<placeholders>``."""

    handler: Handler
    values: Mapping[str, str]
    operation: Operation


class Routes:
    """The table. Changed while services start and stop, read by every request."""

    def __init__(self) -> None:
        self._rules: dict[tuple[str, str], Handler] = {}
        self._operations: dict[Handler, Operation] = {}
        self._map = Map()

    def add(self, method: str, url: str, handler: Handler, operation: Operation = NO_OPERATION) -> None:
        """Add a route. Raises ValueError when two services claim the same one."""
        if (method, url) in self._rules:
            raise ValueError(f"{method} {url}: there are two entry points")
        self._rules[method, url] = handler
        self._operations[handler] = operation
        self._build()

    def remove(self, handler: Handler) -> None:
        """Take out the routes of a handler."""
        self._rules = {place: other for place, other in self._rules.items() if other is not handler}
        self._operations.pop(handler, None)
        self._build()

    def find(self, method: str, path: str) -> Match:
        """Find the handler of a path.

        Raises:
            NotFound: nobody answers there. MethodNotAllowed: only with other methods.
        """
        try:
            handler, values = self._map.bind("").match(path, method)
        except WerkzeugMethodNotAllowed as error:
            raise MethodNotAllowed(sorted(set(error.valid_methods or ()) - {"HEAD"})) from None
        except HTTPException:
            raise NotFound("there is nothing at this path") from None
        return Match(handler, values, self._operations[handler])

    def _build(self) -> None:
        # werkzeug's maps only grow.
        self._map = Map(
            [Rule(url, methods=[method], endpoint=handler) for (method, url), handler in self._rules.items()],
            strict_slashes=True,
            redirect_defaults=False,
            merge_slashes=False,
        )
