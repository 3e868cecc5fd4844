"""Header fields of a request. RFC 9110 §5."""

from werkzeug import datastructures


class Headers(datastructures.Headers):
    """werkzeug's header fields: names in any case, repetitions kept. Shows no value, which may be a token."""

    def combined(self, name: str) -> str:
        """Return the combined value of a field that may be repeated (RFC 9110 §5.3); "" when it is absent."""
        return ", ".join(self.getlist(name))

    def __repr__(self) -> str:
        return f"Headers({', '.join(name for name, _ in self)})"
