"""The keys of one account, and what its devices may say with them. Spec: events.md §4."""

from vector_makers.primitives import (
    ACCOUNT_RAW,
    DEVICE_SEED,
    OTHER_USER_KEY,
    USER_KEY,
    counting,
    derive,
    encode_id,
    public_key,
    sha256,
)
from vector_makers.saying import Members, derive_device_id
from vector_makers.user_key import derive_key_id, derive_signing_seed

LAPTOP, PHONE, TABLET, GHOST = DEVICE_SEED, counting(0xB0, 32), counting(0xB1, 32), counting(0xB2, 32)
USER_KEYS = {"K0": USER_KEY, "K1": OTHER_USER_KEY, "K2": counting(0x02, 32)}
ACCOUNT_SEEDS = {name: derive_signing_seed(key, ACCOUNT_RAW) for name, key in USER_KEYS.items()}
KEY_IDS = {name: derive_key_id(key, ACCOUNT_RAW).hex() for name, key in USER_KEYS.items()}
EARLIER, LATER = "2026-11-23T12:00:00.000Z", "2026-11-24T00:00:00.000Z"


def digest(label: str) -> str:
    """Make a digest of something that no vector shows."""
    return sha256(label.encode()).hex()


def rotation(label: str) -> str:
    """Make the id of a rotation."""
    return encode_id("rot", sha256(label.encode())[:16])


def session(label: str) -> str:
    """Make the id of a session."""
    return encode_id("ses", sha256(label.encode())[:16])


def device(seed: bytes) -> str:
    """Derive the id of a device."""
    return derive_device_id(public_key(seed))


def account_key(name: str) -> str:
    """Derive the public account signing key of a user key."""
    return public_key(ACCOUNT_SEEDS[name]).hex()


NAMES = {account_key(name): name for name in USER_KEYS}
"""User keys by their account keys."""


def commit_seed(epoch: int) -> bytes:
    """Derive the commit key of an epoch. Spec: keys.md §4.1."""
    data_key = counting(0xE0 + epoch - 1, 32)
    return derive(data_key, ACCOUNT_RAW, "solekey/v1/commit-key", epoch.to_bytes(4, "big"), 32)


def certificate(seed: bytes, **changes: str) -> Members:
    """Encode a device's certificate, with a name of its own."""
    public = public_key(seed)
    certified = {
        "device": derive_device_id(public),
        "device_key": public.hex(),
        "name_commitment": sha256(public).hex(),
        "platform": "linux",
    }
    return {**certified, **changes}


# devices


def founded(seed: bytes = LAPTOP) -> Members:
    """An account's first key and device."""
    return {"account_key": account_key("K0"), "certificate": certificate(seed), "key_id": KEY_IDS["K0"]}


def trusted(seed: bytes, name: str = "K0") -> Members:
    """The certificate of a device that may speak."""
    return {"account_key": account_key(name), "certificate": certificate(seed)}


def revoked(seed: bytes) -> Members:
    """The end of a device."""
    return {"device": device(seed), "reason": "lost"}


def taken(
    label: str, to: str = "K1", before: str = "K0", seeds: tuple[bytes, ...] = (LAPTOP, PHONE)
) -> Members:
    """A user key that takes over."""
    return {
        "account_key": account_key(to),
        "certificates": [certificate(seed) for seed in seeds],
        "key_id": KEY_IDS[to],
        "previous_account_key": account_key(before),
        "rotation": rotation(label),
    }


def abandoned(label: str, key: str = "K1") -> Members:
    """A user key that never takes over."""
    return {"key_id": KEY_IDS[key], "rotation": rotation(label)}


# vault


def wrapped(version: int = 1, key: str = "K0", epoch: int = 1, label: str | None = None) -> Members:
    """A wrap of an epoch's data key."""
    return {
        "commit_key": public_key(commit_seed(epoch)).hex(),
        "epoch": epoch,
        "key_id": KEY_IDS[key],
        "rotation": None if label is None else rotation(label),
        "secret": "data_key",
        "suite": "hkdf-sha256-aes256gcm",
        "wrap": digest(f"wrap {epoch}/{version}"),
        "wrap_version": version,
    }


def retired(version: int = 1, epoch: int = 1) -> Members:
    """A wrap that is not needed any more."""
    wrap = digest(f"wrap {epoch}/{version}")
    return {"epoch": epoch, "secret": "data_key", "wrap": wrap, "wrap_version": version}


def committed(number: int, epoch: int = 1, kind: str = "delta") -> Members:
    """A commit of one item."""
    changes = digest(f"changes {number}")
    return {"bytes": 330, "changes": changes, "commit": number, "count": 1, "epoch": epoch, "kind": kind}


# rotation


def started(label: str, to: str = "K1", before: str = "K0", epoch: int = 1, *, past: int = 0) -> Members:
    """The start of a user key change; with `past`, of a re-key by so many epochs."""
    return {
        "from_epoch": epoch,
        "from_key_id": KEY_IDS[before],
        "kind": "data_key" if past else "user_key",
        "reason": "requested",
        "rotation": rotation(label),
        "to_epoch": epoch + past,
        "to_key_id": KEY_IDS[before if past else to],
    }


def verified(label: str, *places: tuple[int, int]) -> Members:
    """The wraps, by epoch and version, that were read back."""
    wraps = sorted(bytes.fromhex(digest(f"wrap {epoch}/{version}")) for epoch, version in places)
    return {"count": len(places), "rotation": rotation(label), "wraps": sha256(b"".join(wraps)).hex()}


def done(label: str, *left: int) -> Members:
    """The commitment of a rotation."""
    return {"left_epochs": list(left), "rotation": rotation(label)}


def aborted(label: str) -> Members:
    """The end of a rotation that was given up."""
    return {"reason": "user_request", "rotation": rotation(label)}
