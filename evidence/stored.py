"""Reads every byte string that the server side stores: of tables, of the bus, of the object store."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from evidence.capture import find_byte_columns, read_tables
from evidence.site import Site
from solekey_eventlog.bus import open_bus
from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS

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


BUS = "bus"
MARKER = "solekey-store-id"
_OBJECT_ROWS = ("vault", "object_rows", "body")


def _read_bus(site: Site) -> Iterator[StoredBytes]:
    """Read every record of every topic."""
    with open_bus(site.bus) as bus:
        for topic in (*TOPICS.values(), HEARTBEAT_TOPIC):
            for record in bus.read(topic):
                yield StoredBytes((BUS, topic, "value"), {"key": record.key}, record.value)


def read_store(site: Site) -> Store:
    """Read all of it, and say which object each row names."""
    strings = list(_read_bus(site))  # first: what is on it is in the tables already
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
