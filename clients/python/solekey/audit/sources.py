"""Where an event log comes from: an exported file, the embedded bus, or Kafka. Spec: audit.md §1.

*Wire format* of an exported log: the records' exact bytes, one a line. Canonical JSON holds no line feed,
so a line is a record, byte for byte what was hashed.

A source is named by a path (``events.jsonl``), by ``embedded:///path/bus.db``, or by ``kafka://host:port[,host:port]``
with ``?ca_file=…`` for TLS; SASL credentials come from SOLEKEY_AUDIT_USERNAME and SOLEKEY_AUDIT_PASSWORD.
"""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from solekey.errors import SolekeyError
from solekey.files.any_path import AnyPath
from solekey.files.text import find_mark
from solekey.files.whole_file import WholeFile
from solekey_protocol.limits import MAX_EVENT_BYTES
from solekey_protocol.services import TOPICS

_KAFKA_IDLE_MS = 10_000
_SQLITE_HEADER_BYTES = 100


class LogError(SolekeyError):
    """A log cannot be read."""

    code = "log_unreadable"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return "Name an exported log (events.jsonl), embedded:///path/bus.db, or kafka://host:port."


class LogIncompleteError(LogError):
    """A copy of an embedded bus without its write-ahead log: what is missing cannot be known."""

    code = "log_incomplete"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return "Export the log on the platform (solekey audit export), or copy bus.db with bus.db-wal."


class LogConvertedError(LogError):
    """A log that an editor or a transfer has changed throughout. Nobody has cheated by that."""

    code = "log_converted"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return "Export the log again, and copy it as a binary file; an editor must not save it."


def read_log(source: AnyPath) -> Iterator[bytes]:
    """Yield every record of a log, exact bytes, in the order of each stream.

    Raises:
        LogError: the source does not exist, cannot be read, or holds a line that is no record.
    """
    source = os.fspath(source)
    try:
        url = urlsplit(source)
    except ValueError:  # a file's name may be anything
        return _read_file(Path(source))
    if url.scheme == "kafka" and url.netloc:
        return _read_kafka(source)
    if url.scheme == "embedded":
        return _read_embedded(Path(url.path))
    return _read_file(Path(source))


def export_log(source: AnyPath, target: AnyPath) -> int:
    """Write a log to a file that ``read_log`` reads, atomically; return the number of records."""
    count = 0
    with WholeFile.make(Path(target)) as whole:
        for raw in read_log(source):
            whole.file.write(raw + b"\n")
            count += 1
        whole.publish()
    return count


def _read_file(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                _verify_unconverted(path, number, line)
                if not line.endswith(b"\n"):
                    raise LogError(f"{path}: line {number} is cut off; export the log again")
                if len(line) > MAX_EVENT_BYTES + 1:
                    raise LogError(f"{path}: line {number} is longer than an event can be")
                yield line[:-1]
    except OSError as error:
        raise LogError(f"{path}: {error.strerror}") from error
    except UnicodeError as error:  # a lone surrogate, which no file name on this system holds
        raise LogError(f"{str(path)!a} can be no file's name here") from error


def _verify_unconverted(path: Path, number: int, line: bytes) -> None:
    """Verify that no editor has saved the file: canonical JSON has no mark, no CR, and no empty line."""
    what = None
    if number == 1 and (mark := find_mark(line)):
        what = f"begins with the byte order mark of {mark.removesuffix('-sig').upper()}"
    elif line.endswith(b"\r\n") or line.count(b"\r"):
        what = f"has other line ends than LF (line {number})"
    elif not line.strip():
        what = f"has an empty line ({number})"
    if what is not None:
        raise LogConvertedError(f"{path} {what}: it was converted; that is no sign of tampering")


def _read_embedded(path: Path) -> Iterator[bytes]:
    if not path.is_file():
        raise LogError(f"{path}: no embedded bus is there")
    _verify_whole(path)
    marks = ",".join("?" * len(TOPICS))
    query = f"SELECT value FROM records WHERE topic IN ({marks}) ORDER BY topic, partition, offset"  # noqa: S608 - marks only
    try:
        with sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True) as database:
            for (value,) in database.execute(query, tuple(TOPICS.values())):
                yield bytes(value)
    except sqlite3.Error as error:
        raise LogError(f"{path}: {error}") from error


def _verify_whole(path: Path) -> None:
    """Verify that no records are in a write-ahead log that is not here (SQLite file format §1.3.3)."""
    try:
        with path.open("rb") as file:
            header = file.read(_SQLITE_HEADER_BYTES)
    except OSError as error:
        raise LogError(f"{path}: {error.strerror}") from error
    written_ahead = header[18:20] == b"\x02\x02"
    if written_ahead and not path.with_name(f"{path.name}-wal").exists():
        raise LogIncompleteError(f"{path} was copied while it was in use, without {path.name}-wal")


def _read_kafka(source: str) -> Iterator[bytes]:
    from kafka import KafkaConsumer, TopicPartition
    from kafka.errors import KafkaError

    url = urlsplit(source)
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=url.netloc.split(","),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            consumer_timeout_ms=_KAFKA_IDLE_MS,
            **_kafka_security(parse_qs(url.query)),
        )
    except KafkaError as error:
        raise LogError(f"{url.netloc}: {error}") from error
    try:
        for topic in TOPICS.values():
            for partition in sorted(consumer.partitions_for_topic(topic) or ()):
                yield from _read_partition(consumer, TopicPartition(topic, partition))
    except KafkaError as error:
        raise LogError(f"{url.netloc}: {error}") from error
    finally:
        consumer.close()


def _read_partition(consumer: Any, partition: Any) -> Iterator[bytes]:
    consumer.assign([partition])
    end = consumer.end_offsets([partition])[partition]
    consumer.seek_to_beginning(partition)
    while consumer.position(partition) < end:
        before = consumer.position(partition)
        for records in consumer.poll(timeout_ms=_KAFKA_IDLE_MS).values():
            yield from (record.value for record in records if record.offset < end)
        if consumer.position(partition) == before:
            raise LogError(f"{partition}: Kafka stopped answering before the end of the log")


def _kafka_security(query: dict[str, list[str]]) -> dict[str, object]:
    username, password = os.environ.get("SOLEKEY_AUDIT_USERNAME"), os.environ.get("SOLEKEY_AUDIT_PASSWORD")
    if unknown := query.keys() - {"ca_file"}:
        raise LogError(f"kafka://…?{min(unknown)}: the only option is ca_file, a PEM file")
    tls = {"ssl_cafile": query["ca_file"][0]} if "ca_file" in query else {}
    protocol = ("SASL_" if username else "") + ("SSL" if tls else "PLAINTEXT")
    settings: dict[str, object] = {"security_protocol": protocol, **tls}
    if username:
        settings |= {
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": username,
            "sasl_plain_password": password,
        }
    return settings
