"""Reads every byte string that the server side stores: each byte column of each table, each object."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evidence.capture import find_byte_columns, read_tables
from evidence.site import Site

Column = tuple[str, str, str]
"""Service, table, column."""
Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """One byte string: where it is, the row around it, and the bytes."""

    column: Column
    row: Row
    data: bytes

    @property
    def place(self) -> str:
        """Its place, for people."""
        return ".".join(self.column)


@dataclass(frozen=True, slots=True)
class Store:
    """All byte strings; objects by account and digest; what the object store's files hold."""

    strings: tuple[StoredBytes, ...]
    objects: Mapping[tuple[str, str], bytes]
    unnamed: tuple[StoredBytes, ...] = field(default=())
    """Objects and files that no row names."""


MARKER = "solekey-store-id"
_OBJECT_ROWS = ("vault", "object_rows", "body")


def read_store(site: Site) -> Store:
    """Read all of it, and say which object each row names."""
    strings: list[StoredBytes] = []
    names: dict[str, tuple[str, str]] = {}
    marks: set[bytes] = set()
    for service, database in site.databases.items():
        byte_columns = find_byte_columns(database)
        for table, columns, rows in read_tables(database):
            for values in rows:
                row = dict(zip(columns, values, strict=True))
                if (service, table) == ("vault", "objects"):
                    names[str(row["name"])] = (str(row["account"]), str(row["digest"]))
                if (service, table) == ("vault", "foundations"):
                    marks.add(str(row["value"]).encode())
                strings += [
                    StoredBytes((service, table, column), row, bytes(value))
                    for column in columns
                    if (table, column) in byte_columns
                    and isinstance(value := row[column], bytes | memoryview)
                ]
    contents = {str(each.row["name"]): each for each in strings if each.column == _OBJECT_ROWS}
    for file in sorted(path for path in site.objects.rglob("*") if path.is_file()):
        name = file.relative_to(site.objects).as_posix()
        data = file.read_bytes()
        if name != MARKER or data not in marks:
            contents[name] = StoredBytes(("vault", "object store", name), {}, data)
    return Store(
        tuple(each for each in strings if each.column != _OBJECT_ROWS),
        {names[name]: each.data for name, each in contents.items() if name in names},
        tuple(each for name, each in contents.items() if name not in names),
    )
