"""What an auditor has verified, signed by the auditor's own key: the next audit goes on from there.

*Wire format.* Canonical JSON with the members ``accounts auditor checkpoints format log made_at ranges
signature verdict``. ``signature`` is Ed25519 over ``"solekey/audit-seen/v1" ‖ 0x00 ‖`` the canonical JSON of
the other members. It holds no secret; whoever has the public key can check it. Spec: audit.md §2.3.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from solekey.audit.archive.archive import Archive
from solekey.audit.archive.verdict import Reader, is_archive
from solekey.audit.engine.context import Heads
from solekey.audit.report import Report
from solekey.audit.sources.errors import LogError
from solekey.crypto import Confidential
from solekey.files.any_path import AnyPath
from solekey.files.whole_file import write_whole
from solekey_protocol.encoding import Json, encode_json, parse_json
from solekey_protocol.errors import ProtocolError
from solekey_protocol.events.fields import encode_body
from solekey_protocol.ids import AccountId, Digest, PublicKey, SignatureHex, Timestamp, compute_digest
from solekey_protocol.pinned_heads import parse_heads
from solekey_protocol.statements import verify_signature

FORMAT: Final = "solekey-audit-seen/v1"
CONTEXT: Final = b"solekey/audit-seen/v1\x00"
MAX_SEEN_BYTES: Final = 1024 * 1024 * 1024
_MEMBERS: Final = frozenset(
    {"accounts", "auditor", "checkpoints", "format", "log", "made_at", "ranges", "signature", "verdict"}
)


@dataclass(frozen=True, slots=True)
class Seen:
    """Where the streams ended that an auditor has verified.

    Attributes:
        heads: by account; accounts with findings stay where they were without.
        digest: SHA-256 of the file; None before there is one.
    """

    heads: Mapping[AccountId, Heads] = field(default_factory=dict)
    digest: Digest | None = None


class AuditorKey(Confidential):
    """An auditor's own Ed25519 key.

    Args:
        path: a PEM file without a password (``openssl genpkey -algorithm ed25519``).

    Raises:
        LogError: it is none.
    """

    def __init__(self, path: AnyPath) -> None:
        try:
            key = load_pem_private_key(Path(path).read_bytes(), None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise LogError(f"{path}: no Ed25519 key without a password: {error}") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise LogError(f"{path}: no Ed25519 key")
        self._key = key

    @property
    def public(self) -> PublicKey:
        """What verifies the auditor's signatures."""
        return PublicKey(self._key.public_key().public_bytes_raw().hex())

    def sign(self, message: bytes) -> SignatureHex:
        """Sign bytes."""
        return SignatureHex(self._key.sign(message).hex())


def read_seen(path: AnyPath, auditor: PublicKey) -> Seen:
    """Read what an auditor has verified, from a file of its own or from an archive, which stays as it is.

    Raises:
        LogError: no such file, of another format, or not signed by this auditor.
    """
    if is_archive(path):
        return _read_archive(path, auditor)
    try:
        content = Path(path).read_bytes()
        document = parse_json(content, max_bytes=MAX_SEEN_BYTES)
        if not isinstance(document, dict) or document.keys() != _MEMBERS or document["format"] != FORMAT:
            raise LogError(f"{path}: not of the format {FORMAT}")
        signature = SignatureHex(str(document.pop("signature")))
        verify_signature(auditor, CONTEXT + encode_json(document), signature)
        accounts = cast("dict[str, Any]", document["accounts"])
        heads = {AccountId(name): parse_heads(own, where=name) for name, own in accounts.items()}
    except OSError as error:
        raise LogError(f"{path}: {error.strerror}") from error
    except (ProtocolError, AttributeError, TypeError) as error:
        raise LogError(f"{path}: nothing that this auditor has signed: {error}") from error
    return Seen(heads, compute_digest(content))


def _read_archive(path: AnyPath, auditor: PublicKey) -> Seen:
    with Archive(path, Reader(auditor)) as archive:
        heads = {account: own for each in archive.subjects() for account, own in each.heads.items()}
        return Seen(heads, archive.before.digest if archive.before is not None else None)


def write_seen(path: AnyPath, report: Report, before: Seen, key: AuditorKey) -> None:
    """Write what an audit has verified, in the place of what was verified before.

    Of an account with findings the heads stay as they were: the next audit looks at all behind them again.
    """
    provenance = report.provenance
    assert provenance is not None  # noqa: S101  # verify_log always says it
    clean = {each.account: each.heads for each in report.accounts.values() if not each.findings}
    heads = {account: own for account, own in {**before.heads, **clean}.items() if own}
    document: dict[str, Json] = {
        "format": FORMAT,
        "auditor": key.public,
        "made_at": Timestamp(provenance.made_at),
        "verdict": report.verdict.value,
        "log": {"source": provenance.source, "digest": provenance.digest, "records": report.records},
        "ranges": [asdict(each) for each in provenance.ranges],
        "checkpoints": [],
        "accounts": {
            account: {stream.value: encode_body(head) for stream, head in own.items()}
            for account, own in heads.items()
        },
    }
    signature = key.sign(CONTEXT + encode_json(document))
    write_whole(Path(path), encode_json({**document, "signature": signature}))
