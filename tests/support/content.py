"""Wraps, changes and commits for vault tests. Nothing is encrypted: the vault could not tell."""

from solekey_protocol.change_list import Change, Part, encode_change_list
from solekey_protocol.events.vault import CommitKind, ItemsCommitted, KeyWrapped, WrapSuite
from solekey_protocol.ids import Digest, ItemId, KeyId, RotationId, compute_digest
from solekey_protocol.page_list import PAGE_BYTES, encode_pages
from solekey_protocol.wrap import (
    WRAP_BYTES,
    WRAP_SUITE_AES_256_GCM,
    SecretKind,
    encode_wrap_prefix,
    parse_wrap_header,
)
from solekey_protocol.wrap import (
    SecretKind as WrapKind,
)
from tests.support.keys import derive_commit_key


def seal_wrap_like(epoch: int, version: int, key_id: KeyId) -> bytes:
    """The bytes of a wrap with a real header and an arbitrary inside."""
    prefix = encode_wrap_prefix(WRAP_SUITE_AES_256_GCM, WrapKind.DATA_KEY, epoch, version, key_id)
    return prefix.ljust(WRAP_BYTES, b"\xa5")


def wrapped_as(wrap: bytes, rotation: RotationId | None = None) -> KeyWrapped:
    """The statement's body that describes a wrap."""
    header = parse_wrap_header(wrap)
    return KeyWrapped(
        SecretKind.DATA_KEY,
        header.epoch,
        header.wrap_version,
        header.key_id,
        WrapSuite.HKDF_SHA256_AES256GCM,
        compute_digest(wrap),
        derive_commit_key(header.epoch).public,
        rotation,
    )


def content_of(item: ItemId, version: int, size: int = 100) -> bytes:
    """The ciphertext of an item's version."""
    return f"{item} version {version} ".encode().ljust(size, b".")[:size]


def change_of(
    item: ItemId, version: int, *, epoch: int = 1, size: int = 100, parts: tuple[Part, ...] | None = None
) -> Change:
    """An item's version in one part; size 0: its removal."""
    if parts is None:
        body = content_of(item, version, size)
        parts = (Part(compute_digest(body), size),) if size else ()
    return Change(item, version, epoch, parts, compute_digest(b"header") if parts else None)


def list_objects_of(kind: CommitKind, *changes: Change, page_bytes: int = PAGE_BYTES) -> list[bytes]:
    """What a commit of these changes needs beside their parts: its change list, or page list and pages."""
    if kind is not CommitKind.SNAPSHOT:
        return [encode_change_list(changes)]
    encoded, pages = encode_pages(changes, page_bytes)
    return [encoded, *pages]


def digest_of(kind: CommitKind, *changes: Change) -> Digest:
    """The digest of a change list, or of a page list."""
    return compute_digest(list_objects_of(kind, *changes)[0])


def commit_of(*changes: Change, kind: CommitKind = CommitKind.DELTA, **fields: object) -> ItemsCommitted:
    """The body of a commit; true unless a field is given otherwise."""
    true = {
        "commit": 1,
        "kind": kind,
        "epoch": 1,
        "changes": digest_of(kind, *changes),
        "count": len(changes),
        "bytes": sum(change.size for change in changes),
    }
    return ItemsCommitted(**{**true, **fields})
