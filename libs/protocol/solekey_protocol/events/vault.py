"""Events of the ``vault`` stream: wraps, commits and purges; signed by clients. Spec: events.md §4.3.

What changes keys or destroys carries the account key's signature; commits carry the signature of the commit
key, which is derived from the data key of their epoch (keys.md §4.1).
"""

from dataclasses import dataclass
from enum import StrEnum

from solekey_protocol.events.body import Body, Signer, event
from solekey_protocol.events.fields import ByteCount, Count, Epoch, Seq
from solekey_protocol.ids import Digest, KeyId, PublicKey, RotationId
from solekey_protocol.services import Stream
from solekey_protocol.wrap import SecretKind


class WrapSuite(StrEnum):
    """How a secret is wrapped (keys.md §5)."""

    HKDF_SHA256_AES256GCM = "hkdf-sha256-aes256gcm"


class CommitKind(StrEnum):
    """What a commit's change list is."""

    DELTA = "delta"
    REKEY = "rekey"
    SNAPSHOT = "snapshot"


@event(Stream.VAULT, "key_wrapped.v1", Signer.DEVICE, Signer.ACCOUNT, Signer.COMMIT)
@dataclass(frozen=True, slots=True)
class KeyWrapped(Body):
    """A wrap of a secret under the user key ``key_id`` is stored; ``wrap`` is the digest of its bytes.

    ``commit_key`` verifies the commits of the epoch; its signature shows that the author has the data key.
    ``rotation`` is the rotation that the wrap belongs to, null for an account's first wrap and for a repair.
    """

    secret: SecretKind
    epoch: Epoch
    wrap_version: Seq
    key_id: KeyId
    suite: WrapSuite
    wrap: Digest
    commit_key: PublicKey
    rotation: RotationId | None


@event(Stream.VAULT, "wrap_retired.v1", Signer.DEVICE, Signer.ACCOUNT)
@dataclass(frozen=True, slots=True)
class WrapRetired(Body):
    """A wrap is not needed any more; its bytes are deleted after the grace time."""

    secret: SecretKind
    epoch: Epoch
    wrap_version: Seq
    wrap: Digest


@event(Stream.VAULT, "items_committed.v1", Signer.DEVICE, Signer.COMMIT)
@dataclass(frozen=True, slots=True)
class ItemsCommitted(Body):
    """Commit number ``commit``: ``changes`` is the digest of its change list (vault.md §4)."""

    commit: Seq
    kind: CommitKind
    epoch: Epoch
    changes: Digest
    count: Count
    bytes: ByteCount


@event(Stream.VAULT, "objects_purged.v1", Signer.DEVICE, Signer.ACCOUNT)
@dataclass(frozen=True, slots=True)
class ObjectsPurged(Body):
    """Ciphertext that only versions superseded at or before this commit refer to is deleted after the grace
    time.
    """

    through_commit: Seq
