"""Header fields of a message: names in any case, repetitions kept in order. RFC 9110 §5."""

from collections.abc import Iterable, Iterator, Mapping


class Headers(Mapping[str, str]):
    """Header fields. ``headers["dpop"]`` joins repetitions with a comma; ``values_of`` keeps them apart."""

    __slots__ = ("_fields",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        fields: dict[str, list[str]] = {}
        for name, value in pairs:
            fields.setdefault(name.lower(), []).append(value)
        self._fields = {name: tuple(values) for name, values in fields.items()}

    @classmethod
    def of(cls, members: Mapping[str, str]) -> "Headers":
        """Take the fields of another mapping."""
        return cls(members.items())

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._fields[name.lower()])

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        # Values may be tokens.
        return f"Headers({', '.join(self._fields)})"

    def values_of(self, name: str) -> tuple[str, ...]:
        """Return every value that was sent under a name, none when it is absent."""
        return self._fields.get(name.lower(), ())
