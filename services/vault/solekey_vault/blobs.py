"""Large objects: files of a folder, or objects of a bucket, through ``obstore``. Spec: vault.md §3.

A bucket gets what is larger than 5 MiB as a multi-part upload: nothing of it is visible before it is
complete, and one that fails is aborted. A request that is not answered in time is repeated a few times; then
the client is told to come again, and the log names the cause.
"""

import logging
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url
from obstore.store import ObjectStore as AnyStore

from solekey_eventlog.errors import ConfigError, UnavailableError
from solekey_protocol.limits import MIB
from solekey_vault.objects import FULL
from solekey_vault.refusals import StorageFull

_log = logging.getLogger(__name__)

TIMEOUT_S: Final = 20.0
"""How long a bucket may take to answer one request; 8 MiB at 0.4 MiB/s."""
_CONNECT_S: Final = 5.0
_RETRIES: Final = 3
_MULTIPART_BYTES: Final = 5 * MIB  # the smallest piece that S3 takes
_AT_ONCE: Final = 2
_SCHEMES: Final = frozenset({"file", "s3", "gs", "az"})
_MAX_CAUSE_CHARS: Final = 500
_STATUS: Final = re.compile(r"status code: ([0-9]{3})")  # obstore has one class of error for a listing
_REFUSED: Final = "the store refuses the credentials, or they may not list it"
_PROBLEMS: Final = {
    "401": _REFUSED,
    "403": _REFUSED,
    "404": "there is no such bucket or container; create it first",
}


class BlobStore:
    """Files of a folder, or objects of a bucket. Blocks its thread while it works."""

    def __init__(self, store: AnyStore, *, reserve_bytes: int = 0) -> None:
        self._store = store
        self._reserve_bytes = reserve_bytes

    def require_access(self) -> None:
        """Demand that the folder or bucket is there and takes the credentials.

        Raises:
            ConfigError: what has to be mended. UnavailableError: it does not answer.
        """
        try:
            next(iter(obstore.list(self._store, chunk_size=1)), None)
        except (BaseError, OSError) as error:
            status = _STATUS.search(str(error))
            problem = None if status is None else _PROBLEMS.get(status[1])
            if problem is None:
                raise _tell_unavailable(error) from error
            raise ConfigError([f"object_store_url: {problem}: {_describe(error)}"]) from error

    def write(self, bodies: Mapping[str, bytes]) -> None:
        """See ObjectStore.write."""
        self._verify_reserve(sum(map(len, bodies.values())))
        for name, body in bodies.items():
            try:
                obstore.put(
                    self._store,
                    name,
                    body,
                    use_multipart=len(body) > _MULTIPART_BYTES and not isinstance(self._store, LocalStore),
                    chunk_size=_MULTIPART_BYTES,
                    max_concurrency=_AT_ONCE,
                )
                self._make_durable(name)
            except (BaseError, OSError) as error:
                if FULL.search(str(error)):
                    raise StorageFull("the object store has no room") from error
                raise _tell_unavailable(error) from error

    def read(self, names: Sequence[str], *, start: int = 0, end: int | None = None) -> dict[str, bytes]:
        """See ObjectStore.read."""
        found: dict[str, bytes] = {}
        for name in names:
            try:
                if end is None and not start:
                    found[name] = bytes(obstore.get(self._store, name).bytes())
                else:
                    found[name] = self._read_range(name, start, end)
            except FileNotFoundError:
                continue
            except (BaseError, OSError) as error:
                if not isinstance(self._store, LocalStore):
                    raise _tell_unavailable(error) from error
                _log.error("object %s cannot be read: %s", name, type(error).__name__)  # one bad file
        return found

    def sizes(self) -> dict[str, int]:
        """List every name and how many bytes lie under it. Raises UnavailableError."""
        try:
            return {entry["path"]: entry["size"] for page in obstore.list(self._store) for entry in page}
        except (BaseError, OSError) as error:
            raise _tell_unavailable(error) from error

    def delete(self, names: Sequence[str]) -> None:
        """See ObjectStore.delete."""
        for name in names:
            try:
                obstore.delete(self._store, name)
            except FileNotFoundError:
                continue
            except (BaseError, OSError) as error:
                raise _tell_unavailable(error) from error

    def find_free_bytes(self) -> int | None:
        """See ObjectStore.find_free_bytes."""
        if not isinstance(self._store, LocalStore) or self._store.prefix is None:
            return None
        return shutil.disk_usage(self._store.prefix).free

    def _verify_reserve(self, size: int) -> None:
        """Leave a folder's disk the room that the databases on it need; a bucket has none to share."""
        free_bytes = self.find_free_bytes()
        if free_bytes is not None and free_bytes - size < self._reserve_bytes:
            raise StorageFull("the object store has no room but its reserve")

    def _read_range(self, name: str, start: int, end: int | None) -> bytes:
        size = obstore.head(self._store, name)["size"]
        end = size if end is None else min(end, size)
        return bytes(obstore.get_range(self._store, name, start=start, end=end)) if start < end else b""

    def _make_durable(self, name: str) -> None:
        """Flush a file and the folders that name it: obstore does not. A cloud is durable when it answers."""
        if not isinstance(self._store, LocalStore) or self._store.prefix is None:
            return
        root = Path(self._store.prefix)
        path = root / name
        while True:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if path == root:
                return
            path = path.parent


def open_blob_store(url: str, *, reserve_bytes: int = 0, timeout_s: float = TIMEOUT_S) -> BlobStore:
    """Open the store that a URL names; see VaultConfig. A folder is made when absent.

    Args:
        url: the folder or bucket.
        reserve_bytes: what a folder's disk keeps free.
        timeout_s: how long a bucket may take to answer one request.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return BlobStore(LocalStore(Path(unquote(parts.path)), mkdir=True), reserve_bytes=reserve_bytes)
    store = from_url(
        url,
        client_options={
            "timeout": timedelta(seconds=timeout_s),
            "connect_timeout": timedelta(seconds=_CONNECT_S),
            "allow_http": os.environ.get("AWS_ALLOW_HTTP")
            == "true",  # else it is lost beside our own options
        },
        retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=timeout_s)},
    )
    return BlobStore(store)


def find_object_store_problem(url: str) -> str | None:
    """Say what is wrong with a URL, or nothing."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        return "expected file:///folder, s3://bucket, gs://bucket or az://container"
    if parts.scheme == "file" and (parts.netloc or not parts.path.startswith("/")):
        return "expected an absolute folder: file:///absolute/folder"
    if parts.scheme != "file" and not parts.netloc:
        return "expected a bucket or container"
    return None


def _tell_unavailable(error: Exception) -> UnavailableError:
    """Tell the client to come again, and the operator why."""
    _log.error("the object store does not answer as it should: %s", _describe(error))
    return UnavailableError("the object store does not answer")


def _describe(error: Exception) -> str:
    """Describe an error of the store in one line; what it quotes of a request is a name, never content."""
    return " ".join(str(error).split())[:_MAX_CAUSE_CHARS]
