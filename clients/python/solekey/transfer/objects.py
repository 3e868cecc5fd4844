"""Content-addressed ciphertext at the vault: put, ask what is missing, fetch; every byte is checked here.

Spec: vault.md §3.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from solekey.connection.connection import BYTES_TYPE, CBOR_TYPE, Connection
from solekey.connection.transport import MAX_ANSWER_BYTES
from solekey.errors import (
    BadAnswerError,
    LostObjectError,
    NotFoundError,
    OfflineError,
    SolekeyError,
    SwappedObjectError,
)
from solekey.transfer.parallel import chain_ahead
from solekey_protocol.encoding import Cbor, Json, encode_cbor, encode_json, parse_cbor
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import Digest, compute_digest
from solekey_protocol.limits import KIB, MAX_BATCH_BYTES, MAX_BATCH_OBJECTS, MIB
from solekey_protocol.services import Service

SMALL_OBJECT_BYTES: Final = MIB
"""Up to this size objects travel together."""
_MAX_BATCH_CONTENT: Final = MAX_BATCH_BYTES - 64 * KIB  # leaves room for CBOR's own bytes
_MAX_ASKED: Final = MAX_BATCH_OBJECTS
_PREFIXES_AT_ONCE: Final = 1024
_FIRST_PREFIXES: Final = 256
"""Beginnings that one request asks for: while they are opened, the next are on their way. The first requests
ask for few, so that there is something to open soon."""
_PARTIAL: Final = 206


class ObjectStore:
    """The vault's objects of this account."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def is_offline(self) -> bool:
        """Whether the vault is not asked."""
        return self._connection.is_offline

    def explain_absence(self, digest: Digest) -> SolekeyError:
        """Explain why an object that a commit names is not there."""
        return LostObjectError(f"the server has lost the object {digest}")

    def put(self, data: bytes) -> Digest:
        """Store one object; storing it again changes nothing."""
        digest = compute_digest(data)
        self._call("PUT", f"objects/{digest}", content=data, content_type=BYTES_TYPE)
        return digest

    def put_many(self, objects: Iterable[bytes]) -> None:
        """Store small objects in as few requests as possible."""
        batch: list[bytes] = []
        size = 0
        for data in objects:
            if batch and (size + len(data) > _MAX_BATCH_CONTENT or len(batch) == MAX_BATCH_OBJECTS):
                self._put_batch(batch)
                batch, size = [], 0
            batch.append(data)
            size += len(data)
        if batch:
            self._put_batch(batch)

    def find_missing(self, digests: Sequence[Digest]) -> set[Digest]:
        """Find which objects the vault does not have: what is left of an upload."""
        missing: set[Digest] = set()
        for group in _cut(digests, _MAX_ASKED):
            asked: Mapping[str, Json] = {"digests": list(group)}
            answer = self._connection.call_json(Service.VAULT, "POST", "objects/missing", asked)
            found = answer.get("missing")
            if not isinstance(found, list):
                raise BadAnswerError("objects/missing: expected a list")
            missing |= set(group) & {Digest(str(digest)) for digest in found}
        return missing

    def fetch(self, digest: Digest) -> bytes:
        """Fetch one object.

        Raises:
            SwappedObjectError: the vault has other bytes under this digest.
            LostObjectError: it has none.
        """
        with self._naming_loss(digest):
            data = self._call("GET", f"objects/{digest}")
        return verify_object(digest, data)

    def fetch_range(self, digest: Digest, offset: int, length: int) -> bytes:
        """Fetch a piece of an object; nothing but the envelope's own seal vouches for its bytes.

        Raises:
            LostObjectError: the vault does not have it.
            SwappedObjectError: an answer of another length, or the whole of another object.
        """
        headers = {"Range": f"bytes={offset}-{offset + length - 1}"}
        with self._naming_loss(digest):
            answer = self._connection.call(Service.VAULT, "GET", f"objects/{digest}", headers=headers)
        if answer.status != _PARTIAL:
            return verify_object(digest, answer.body)[offset : offset + length]
        if len(answer.body) != length:
            raise SwappedObjectError(
                f"the server answered {length} bytes of the object {digest} with {len(answer.body)}"
            )
        return answer.body

    def fetch_many(self, digests: Sequence[Digest]) -> Iterator[bytes]:
        """Fetch objects in order, as few requests as possible. Raises SwappedObjectError."""
        for digest, data in zip(digests, self._fetch_all(digests, None), strict=True):
            yield verify_object(digest, data)

    def fetch_each(self, digests: Sequence[Digest]) -> Iterator[bytes | None]:
        """Fetch objects in order, None for one that is not there; the caller does `verify_object`."""
        return self._fetch_all(digests, None)

    def fetch_prefixes(self, digests: Sequence[Digest], max_bytes_each: int) -> Iterator[bytes | None]:
        """Fetch the beginnings of objects in order, None for one that is not there.

        The envelope's own seal must vouch for them.
        """
        return self._fetch_all(digests, max_bytes_each)

    def _fetch_all(self, digests: Sequence[Digest], max_bytes_each: int | None) -> Iterator[bytes | None]:
        limit: dict[str, Json] = {} if max_bytes_each is None else {"max_bytes_each": max_bytes_each}

        def fetch(done: int) -> list[bytes | None]:
            at_once = _MAX_ASKED
            if max_bytes_each is not None:
                at_once = min(max(done, _FIRST_PREFIXES), _PREFIXES_AT_ONCE)
            asked = digests[done : done + at_once]
            answer = self._connection.call(
                Service.VAULT, "POST", "objects/fetch", content=encode_json({"digests": list(asked), **limit})
            )
            objects = _parse_objects(answer.body)
            if not 1 <= len(objects) <= len(asked):
                raise BadAnswerError("objects/fetch: expected a prefix of what was asked for")
            return objects

        yield from chain_ahead(fetch, len(digests))

    def _put_batch(self, batch: Sequence[bytes]) -> None:
        if len(batch) == 1:
            self.put(batch[0])
            return
        content = encode_cbor({"objects": list(batch)})
        self._call("POST", "objects", content=content, content_type=CBOR_TYPE)

    @contextmanager
    def _naming_loss(self, digest: Digest) -> Iterator[None]:
        try:
            yield
        except (NotFoundError, OfflineError) as error:
            raise self.explain_absence(digest) from error

    def _call(self, method: str, path: str, *, content: bytes = b"", content_type: str = BYTES_TYPE) -> bytes:
        answer = self._connection.call(
            Service.VAULT, method, path, content=content, content_type=content_type
        )
        return answer.body


def parse_byte_list(body: bytes, member: str) -> list[Cbor]:
    """Parse an answer ``{member: [bytes | null, ...]}``. Raises BadAnswerError."""
    try:
        document = parse_cbor(body, max_bytes=MAX_ANSWER_BYTES)
    except MalformedError as error:
        raise BadAnswerError(f"the server's answer is not CBOR: {error}") from error
    found = document.get(member) if isinstance(document, Mapping) else None
    if not isinstance(found, list):
        raise BadAnswerError(f"the server's answer has no list {member!r}")
    return found


def _parse_objects(body: bytes) -> list[bytes | None]:
    found = parse_byte_list(body, "objects")
    objects = [data for data in found if data is None or isinstance(data, bytes)]
    if len(objects) != len(found):
        raise BadAnswerError("objects/fetch: expected byte strings")
    return objects


def verify_object(digest: Digest, data: bytes | None) -> bytes:
    """Verify that an object is what its digest names.

    Raises:
        SwappedObjectError: the vault has other bytes under this digest.
        LostObjectError: it has none.
    """
    if data is None:
        raise LostObjectError(f"the server has lost the object {digest}")
    if compute_digest(data) != digest:
        raise SwappedObjectError(f"the server has other bytes under {digest}")
    return data


def _cut(digests: Sequence[Digest], size: int) -> Iterator[Sequence[Digest]]:
    for start in range(0, len(digests), size):
        yield digests[start : start + size]
