"""Leaks on purpose: what a service of the evidence's positive controls does with what a planted client sends.

Python imports this module by its name when its folder is on PYTHONPATH; the evidence puts it there for its
controls, and nothing else does. Every request may carry the field ``Solekey-Planted``: secrets, each with the
name of the leak that is to leak it, masked so that the field itself is no leak. Each leak happens once.
"""

import base64
import bz2
import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import logging
import lzma
import mmap
import os
import quopri
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

FIELD = "HTTP_SOLEKEY_PLANTED"
SERVICE = os.environ.get("PLANTED_SERVICE", "")
"""The service that this process is; empty: it is all of them."""
WANTED = "solekey_service.http_server.application"

kept: list[Any] = []
done: set[str] = set()
echoes: dict[str, str] = {}


def unmask(text: str) -> dict[str, str]:
    """Read the field: base64 of JSON, mixed with a keystream that everybody knows."""
    masked = base64.b64decode(text)
    stream = hashlib.shake_256(b"solekey planted").digest(len(masked))
    planted: dict[str, str] = json.loads(bytes(a ^ b for a, b in zip(masked, stream, strict=True)))
    return planted


def write_row(secret: bytes) -> None:
    """A row, compressed."""
    execute(
        ("CREATE TABLE IF NOT EXISTS planted_rows (body BYTEA)", ()),
        insert("planted_rows", zlib.compress(secret)),
    )


def delete_row(secret: bytes) -> None:
    """A row in UTF-16 that is deleted at once: no query shows it, the files do."""
    text = secret.decode().encode("utf-16-le")
    execute(
        ("CREATE TABLE IF NOT EXISTS planted_gone (body BYTEA)", ()),
        insert("planted_gone", text),
        ("DELETE FROM planted_gone", ()),
    )


def insert(table: str, body: bytes) -> tuple[str, tuple[bytes, ...]]:
    """Make the statement that inserts a body."""
    mark = "?" if os.environ["PLANTED_DATABASE"].startswith("sqlite") else "%s"
    return f"INSERT INTO {table} VALUES ({mark})", (body,)  # noqa: S608  # our own table


def execute(*statements: tuple[str, tuple[Any, ...]]) -> None:
    """Execute statements in a service's database, each in a transaction of its own."""
    url = os.environ["PLANTED_DATABASE"]
    if url.startswith("sqlite:///"):
        import sqlite3

        database: Any = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=30)
    else:
        import psycopg

        database = psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True)
    for statement, values in statements:
        database.cursor().execute(statement, values)
    database.close()


def add_to_bus(secret: bytes) -> None:
    """A header of Kafka records; in the embedded bus a table of its own."""
    if path := os.environ.get("PLANTED_BUS"):
        import sqlite3

        bus = sqlite3.connect(path, isolation_level=None, timeout=30)
        bus.execute("CREATE TABLE planted (trace TEXT)")
        bus.execute("INSERT INTO planted VALUES (?)", (base64.b64encode(secret).decode(),))
        bus.close()
        return
    from kafka import KafkaProducer

    send = KafkaProducer.send

    def careless(self: Any, topic: str, *arguments: Any, **options: Any) -> Any:
        options["headers"] = [*(options.get("headers") or ()), ("trace", base64.b64encode(secret))]
        return send(self, topic, *arguments, **options)

    KafkaProducer.send = careless


def write_object(secret: bytes) -> None:
    """A file beside the ciphertext, as xz."""
    Path(os.environ["PLANTED_OBJECTS"], "planted").write_bytes(lzma.compress(secret))


def write_log(secret: bytes) -> None:
    """A line of the debug log: hexadecimal with colons."""
    logging.getLogger("solekey_service.planted").debug("key=%s", secret.hex(":"))


def log_hash(secret: bytes) -> None:
    """A line of the log: the SHA-256 of what can be guessed."""
    logging.getLogger("solekey_service.planted").info("hash=%s", hashlib.sha256(secret).hexdigest())


def write_temporary(secret: bytes) -> None:
    """A temporary file that stays, in quoted-printable."""
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(quopri.encodestring(secret))


def hold_deleted(secret: bytes) -> None:
    """A temporary file without a name, as bz2."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  # it stays open
    file.write(bz2.compress(secret))
    file.flush()
    kept.append(file)


def start_program(secret: bytes) -> None:
    """Another program, which is given the secret in its environment; it ends with this process."""
    read, write = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, read, 0)]
    os.posix_spawn("/bin/cat", ["cat"], {"PLANTED": secret.decode()}, file_actions=actions)
    os.close(read)
    kept.append(write)


def keep_text(secret: bytes) -> None:
    """A text in memory, which Python keeps in Latin-1 or UTF-16 as its characters are."""
    kept.append(secret.decode())


def keep_numbers(secret: bytes) -> None:
    """A printed list in memory."""
    area = mmap.mmap(-1, 4096)
    area.write(repr(list(secret)).encode())
    kept.append(area)


def echo(secret: bytes) -> None:
    """A field of every later answer but those about health: base64url."""
    echoes["Solekey-Echo"] = base64.urlsafe_b64encode(b"\0\0" + secret).decode()


def tell_health(secret: bytes) -> None:
    """A field of the answers about health: base32."""
    echoes["Solekey-State"] = base64.b32encode(secret).decode()


def label_metric(secret: bytes) -> None:
    """A number of the operators' port, with the secret in its label: hexadecimal."""
    from solekey_service.monitoring.exposition import Exposition

    write = Exposition.write

    def careless(self: Any, services: Any) -> bytes:
        return write(self, services) + b'planted_total{item="%s"} 1.0\n' % secret.hex().encode()

    Exposition.write = careless  # type: ignore[method-assign]  # the leak that is planted


LEAKS: dict[str, tuple[str, Callable[[bytes], None]]] = {
    "database row": ("vault", write_row),
    "deleted database row": ("vault", delete_row),
    "record on the bus": ("vault", add_to_bus),
    "file in the object store": ("vault", write_object),
    "line of the debug log": ("auth", write_log),
    "hash in the log": ("devices", log_hash),
    "temporary file": ("vault", write_temporary),
    "deleted file": ("devices", hold_deleted),
    "environment of a program": ("vault", start_program),
    "text in memory, Latin-1": ("auth", keep_text),
    "text in memory, UTF-16": ("devices", keep_text),
    "numbers in memory": ("vault", keep_numbers),
    "field of an answer": ("vault", echo),
    "health answer": ("vault", tell_health),
    "label of a metric": ("devices", label_metric),
}
"""Each leak: the service that leaks so, and how."""


def leak(planted: dict[str, str]) -> None:
    """Leak what has come, each once."""
    for name, secret in planted.items():
        service, act = LEAKS[name]
        if name not in done and SERVICE in ("", service):
            done.add(name)
            act(bytes.fromhex(secret))


def plant(module: Any) -> None:
    """Put the leaks in front of every request."""
    answer = module.Application.__call__

    def careless(
        self: Any, environ: dict[str, Any], start_response: Callable[..., object]
    ) -> Iterable[bytes]:
        if field := environ.get(FIELD):
            leak(unmask(field))
        name = "Solekey-State" if environ["PATH_INFO"].endswith("/health") else "Solekey-Echo"
        more = [(name, echoes[name])] if name in echoes else []
        return answer(self, environ, lambda status, fields: start_response(status, fields + more))  # type: ignore[no-any-return]

    module.Application.__call__ = careless


class PlantedLoader(importlib.abc.Loader):
    """Loads the module as ever, then plants."""

    def __init__(self, real: importlib.abc.Loader) -> None:
        self._real = real

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """As the real loader does."""
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """As the real loader does, and plant."""
        self._real.exec_module(module)
        plant(module)


class Planter(importlib.abc.MetaPathFinder):
    """Waits for the module that answers requests."""

    def find_spec(self, name: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        """Find it for real, and take over its loading."""
        if name != WANTED:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = PlantedLoader(spec.loader)
        return spec


sys.meta_path.insert(0, Planter())
