"""Which source a name means."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from solekey.audit.sources.embedded import EmbeddedLog
from solekey.audit.sources.lines import LinesLog, write_lines
from solekey.audit.sources.log import Log
from solekey.files.any_path import AnyPath


def open_log(source: AnyPath, *more: AnyPath, after: str | None = None) -> Log:
    """Open a log: what it holds, where on the bus, and how the bus is set.

    Args:
        source: a bundle (a folder, or a ``.tar`` file), an exported file, ``embedded:///path/bus.db`` or
            ``kafka://host:port``.
        more: bundles that continue the one before, in their order.
        after: the name of the bundle that the first one continues; None: it continues none.

    Raises:
        LogError: the source does not exist, or cannot be read.
    """
    if more:
        return _join(after, Path(source), *map(Path, more))
    source = os.fspath(source)
    try:
        url = urlsplit(source)
    except ValueError:  # a file's name may be anything
        return _open_path(Path(source), after)
    if url.scheme == "kafka" and url.netloc:
        from solekey.audit.sources.kafka import KafkaLog  # needs the extra `audit`

        return KafkaLog(source)
    if url.scheme == "embedded":
        return EmbeddedLog(Path(unquote(url.path)))
    return _open_path(Path(source), after)


def _open_path(path: Path, after: str | None) -> Log:
    from solekey.audit.bundle.container import looks_like_tar  # which imports this room

    try:
        is_bundle = path.is_dir() or (path.is_file() and looks_like_tar(path))
    except (OSError, ValueError):  # no name that this system can have, or nothing that we may look at
        is_bundle = False
    return _join(after, path) if is_bundle else LinesLog(path)


def _join(after: str | None, *paths: Path) -> Log:
    from solekey.audit.bundle.joined import JoinedLog  # which imports this room
    from solekey.audit.bundle.reader import BundleLog

    return JoinedLog([BundleLog(path) for path in paths], after)


def read_log(source: AnyPath) -> Iterator[bytes]:
    """Yield every event of a log, exact bytes, in the order of each stream; no bytes for a tombstone.

    Raises:
        LogError: the source does not exist, cannot be read, or holds a line that is no record.
    """
    for record in open_log(source).records():
        if not record.is_heartbeat:
            yield record.raw or b""


def export_log(source: AnyPath, target: AnyPath) -> int:
    """Write a log to a file of lines that ``read_log`` reads, atomically; return the number of records."""
    return write_lines(open_log(source).records(), Path(target))
