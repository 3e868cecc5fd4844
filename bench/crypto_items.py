"""Small items a second on one core, beside the primitives alone."""

import os
import time
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bench.measure import Row, make_row, measure_medians
from solekey.crypto import DataKey, ItemContext, ItemMetadata, open_bytes, seal_bytes
from solekey_protocol.ids import AccountId, ItemId

_ACCOUNT: Final = AccountId.from_raw(bytes(16))
_DATA_KEY: Final = DataKey(1, bytes(range(32)))
_METADATA: Final = ItemMetadata("Wi-Fi at home", "login", 1_700_000_000_000, 1_700_000_000_001)
_CONTENT: Final = bytes(range(256)) * 4  # 1 KiB
_INNER_BYTES: Final = 1152
"""The inner plaintext of such an item, padded."""
_INFO_BYTES: Final = 67
_ASSOCIATED_BYTES: Final = 114


def measure_items(count: int, rounds: int) -> list[Row]:
    """Measure how many items are sealed and opened in a second of CPU time."""
    texts = [str(ItemId.from_raw(os.urandom(16))) for _ in range(count)]
    sealed: list[bytes] = []

    def seal() -> float:
        contexts = _make_contexts(texts)
        sealed[:], rate = _measure(count, lambda: [_seal(context) for context in contexts])
        return rate

    def open_() -> float:
        contexts = _make_contexts(texts)
        return _measure(count, lambda: [_open(*each) for each in zip(sealed, contexts, strict=True)])[1]

    rates = measure_medians(
        {
            "seal": seal,
            "open": open_,
            "seal primitives": lambda: _measure(count, lambda: [_seal_bare() for _ in texts])[1],
            "open primitives": _measure_bare_opening(count),
        },
        rounds,
    )
    return [
        make_row(
            f"{task} items of 1 KiB",
            rates[task],
            "/s of one core",
            reference=reference,
            against=rates[f"{task} primitives"],
            goal="value >= 100000",
        )
        for task, reference in (("seal", "urandom, HKDF, AES-GCM alone"), ("open", "HKDF, AES-GCM alone"))
    ]


def _make_contexts(texts: list[str]) -> list[ItemContext]:
    """Make contexts as from a change list that was just read: nothing is decoded yet."""
    return [ItemContext(_ACCOUNT, ItemId(text), 3) for text in texts]


def _seal(context: ItemContext) -> bytes:
    return seal_bytes(_CONTENT, metadata=_METADATA, data_key=_DATA_KEY, context=context, random=os.urandom)


def _open(envelope: bytes, context: ItemContext) -> bytes:
    return open_bytes(envelope, data_key=_DATA_KEY, context=context).content


def _derive_bare(salt: bytes) -> AESGCM:
    block = HKDF(SHA256(), 64, salt, bytes(_INFO_BYTES)).derive(bytes(32))
    return AESGCM(block[:32])


def _seal_bare() -> bytes:
    return _derive_bare(os.urandom(32)).encrypt(bytes(12), bytes(_INNER_BYTES), bytes(_ASSOCIATED_BYTES))


def _measure_bare_opening(count: int) -> Callable[[], float]:
    salt = bytes(32)
    sealed = _derive_bare(salt).encrypt(bytes(12), bytes(_INNER_BYTES), bytes(_ASSOCIATED_BYTES))

    def open_bare() -> bytes:
        return _derive_bare(salt).decrypt(bytes(12), sealed, bytes(_ASSOCIATED_BYTES))

    return lambda: _measure(count, lambda: [open_bare() for _ in range(count)])[1]


def _measure(count: int, work: Callable[[], list[bytes]]) -> tuple[list[bytes], float]:
    started = time.process_time()
    done = work()
    return done, count / (time.process_time() - started)
