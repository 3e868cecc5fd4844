"""What the vault refuses beyond the rules of its stream. Spec: vault.md §9.

::

    Conflict                    409
    ├── StaleKeyEpoch           stale_key_epoch     extras: epoch
    ├── VersionConflict         version_conflict    extras: conflicts [{item, version, removed}]
    ├── RotationRequired        rotation_required   extras: kinds
    ├── WrapMissing             wrap_missing
    └── PartsMissing            parts_missing       extras: missing [digest]
    Unprocessable               422
    ├── DigestMismatch          digest_mismatch
    ├── WrapMismatch            wrap_mismatch
    └── CommitMismatch          commit_mismatch
    RangeNotSatisfiable         416  range_not_satisfiable
    StorageFull                 507  storage_full
"""

from solekey_service.refusals import Conflict, Kind, Refusal, Unprocessable


class StaleKeyEpoch(Conflict):
    """A commit under a data key that is not the newest."""

    code, title = "stale_key_epoch", "The data key was replaced"


class VersionConflict(Conflict):
    """An item's version does not follow the one that the vault has."""

    code, title = "version_conflict", "An item has changed meanwhile"


class RotationRequired(Conflict):
    """A rotation is due, and the policy refuses writes until it is completed."""

    code, title = "rotation_required", "A rotation is due before anything is written"


class WrapMissing(Conflict):
    """The bytes that a statement names were not uploaded."""

    code, title = "wrap_missing", "The wrap was not uploaded"


class PartsMissing(Conflict):
    """The change list, or ciphertext that it names, was not uploaded."""

    code, title = "parts_missing", "Not everything that the commit names was uploaded"


class DigestMismatch(Unprocessable):
    """The bytes do not have the digest under which they were sent."""

    code, title = "digest_mismatch", "The bytes have another digest"


class WrapMismatch(Unprocessable):
    """The bytes are not a wrap, or not the one that the statement describes."""

    code, title = "wrap_mismatch", "The wrap is not what the statement says"


class CommitMismatch(Unprocessable):
    """The change list is not what the commit says of it."""

    code, title = "commit_mismatch", "The change list is not what the commit says"


class RangeNotSatisfiable(Refusal):
    """The range begins behind the end of the object, or is more than one."""

    code, kind, title = "range_not_satisfiable", Kind.RANGE, "The range cannot be satisfied"


class StorageFull(Refusal):
    """There is no room; nothing was stored."""

    code, kind, title = "storage_full", Kind.NO_ROOM, "The storage is full"
