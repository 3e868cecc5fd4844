"""The bundle: the document, a page to read, and a manifest that a key made for this run has signed.

::

    evidence.json    what was found; canonical JSON
    index.html       the same, to be read
    manifest.json    format, moment, public key, and the SHA-256 of each file; its own digest names the bundle
    manifest.sig     Ed25519 over the manifest's bytes, in hexadecimal

The signature shows that nothing was changed since the run; who ran it, it does not show.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from solekey_protocol.encoding import Json, encode_json

FORMAT: Final = "solekey-evidence-bundle/v1"
DOCUMENT, PAGE, MANIFEST, SIGNATURE = "evidence.json", "index.html", "manifest.json", "manifest.sig"
_SEED_BYTES: Final = 32


class BundleError(Exception):
    """The bundle is not what its maker has signed."""


def write_bundle(folder: Path, document: Mapping[str, Json], page: str) -> str:
    """Write and sign a bundle; return its name, the SHA-256 of its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {DOCUMENT: encode_json(dict(document)), PAGE: page.encode()}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    key = Ed25519PrivateKey.from_private_bytes(os.urandom(_SEED_BYTES))  # forgotten at the end
    manifest = encode_json(
        {
            "format": FORMAT,
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "public_key": key.public_key().public_bytes_raw().hex(),
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
        }
    )
    (folder / MANIFEST).write_bytes(manifest)
    (folder / SIGNATURE).write_text(key.sign(manifest).hex() + "\n")
    return hashlib.sha256(manifest).hexdigest()


def verify_bundle(folder: Path, name: str | None = None) -> str:
    """Verify a bundle; return its name.

    Args:
        folder: the bundle.
        name: the name under which it was made known; without it, only that nothing was changed afterwards by
            somebody who did not sign it anew.

    Raises:
        BundleError: another name, a signature that does not fit, or a file that is missing or was changed.
    """
    try:
        raw = (folder / MANIFEST).read_bytes()
        manifest = json.loads(raw)
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(manifest["public_key"]))
        key.verify(bytes.fromhex((folder / SIGNATURE).read_text()), raw)
        for file, digest in manifest["files"].items():
            if hashlib.sha256((folder / file).read_bytes()).hexdigest() != digest:
                raise BundleError(f"{file} was changed")
    except (OSError, ValueError, KeyError, TypeError, InvalidSignature) as error:
        raise BundleError(f"not a bundle as it was signed: {type(error).__name__}: {error}") from error
    found = hashlib.sha256(raw).hexdigest()
    if name not in (None, found):
        raise BundleError(f"this bundle is {found}")
    return found
