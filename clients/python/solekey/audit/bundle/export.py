"""What ``solekey audit export`` does: the export of a log to a bundle, with a key and a bundle before it."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from solekey.audit.archive.errors import ArchiveContinuesError
from solekey.audit.archive.following import verify_last
from solekey.audit.archive.verdict import Point, describe_bus, read_point
from solekey.audit.bundle.reader import BundleLog
from solekey.audit.bundle.writer import Exported, Previous, Signer, export_bundle
from solekey.audit.engine.collecting import Progress, Stage
from solekey.audit.sources.errors import LogError
from solekey.audit.sources.log import Extent, Log
from solekey_protocol.ids import Digest, PublicKey, SignatureHex


def export_to_bundle(
    log: Log,
    target: Path,
    *,
    after: Path | None = None,
    since: Path | None = None,
    stored: Sequence[Path] = (),
    signing_key: Path | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write a log to a bundle; see ``export_bundle``.

    Args:
        log: what is exported.
        target: the bundle: a folder, or a file whose name ends in ``.tar``.
        after: the bundle that is continued: only what is new since then is exported.
        since: an auditor's archive, or the verdict beside it: only what it does not hold is exported.
        stored: lists of what services have stored (``list-stored``).
        signing_key: an Ed25519 key, a PEM file (PKCS #8) without a password.
        progress: told how many records are written, and of how many.

    Raises:
        LogError: the source, the bundle before, a list or the key cannot be read.
        TargetError: the target cannot be written, or holds something else.
    """
    prev: Previous | None = None
    if after is not None:
        before = BundleLog(after)
        prev = Previous(Digest(before.digest), before.manifest.ranges)
    if since is not None:
        prev = _find_previous(log, read_point(since).point)
    signer = _open_key(signing_key) if signing_key is not None else None
    tell = None if progress is None else partial(progress, Stage.READ)
    return export_bundle(log, target, prev=prev, stored=stored, signer=signer, progress=tell)


def _find_previous(log: Log, point: Point) -> Previous:
    """What an archive holds of the log. Raises ArchiveContinuesError: it is of another one."""
    if log.bus is None or point.bus != describe_bus(log.bus):
        raise ArchiveContinuesError(f"{log.name} is not the bus that the archive is of")
    verify_last(log, point)
    return Previous(point.bundle, {place: Extent(0, end) for place, end in point.ends.items()})


def _open_key(path: Path) -> Signer:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise LogError(f"{path}: no key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise LogError(f"{path}: no Ed25519 key")
    return Signer(
        PublicKey(key.public_key().public_bytes_raw().hex()),
        lambda message: SignatureHex(key.sign(message).hex()),
    )
