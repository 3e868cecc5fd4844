"""Envelopes: what opens, and what fails before the inner plaintext is looked at. Spec: envelope.md §2-4, §6.

What an honest opener finds wrong *inside* an envelope whose tags all verify is in `envelope_inner`.
"""

from collections.abc import Mapping

from vector_makers import envelope_accepted, envelope_inner
from vector_makers.primitives import (
    DATA_KEY,
    ITEM_RAW,
    OTHER_ACCOUNT_RAW,
    OTHER_DATA_KEY,
    OTHER_ITEM_RAW,
    SALT,
    counting,
    derive,
    encode_json,
    encrypt,
    flip,
)
from vector_makers.sealing import (
    HEADER_BYTES,
    LONG_CONTENT,
    METADATA,
    encode_inner,
    encode_place,
    encode_prefix,
    make_sealer,
    open_input,
)
from vector_makers.vector import Vector, VectorFile

SMALL = make_sealer().seal(encode_inner())
LONG_INNER = encode_inner(content=LONG_CONTENT)
LONG_HEADER = make_sealer().header
LONG_CHUNKS = make_sealer().seal_chunks(LONG_INNER)
LONG = LONG_HEADER + b"".join(LONG_CHUNKS)
Cases = Mapping[str, tuple[bytes, str]]


def make_file() -> VectorFile:
    """Make the vectors."""
    vectors = [
        *envelope_accepted.make_vectors(),
        *_headers(),
        *_commitments(),
        *_cut_or_moved(),
        *_altered(),
        *_sealed_against_the_rules(),
        *envelope_inner.make_vectors(),
    ]
    about = "Envelopes that open, and envelopes that were altered, cut, moved or sealed against the rules."
    return VectorFile("envelope", "envelope.md", about, vectors)


def _refuse(rule: str, cases: Cases, *, stage: str | None = None, code: str = "open_failed") -> list[Vector]:
    stage = stage or rule
    return [
        Vector(f"{stage}: {name}", f"§6 {rule}", why, open_input(envelope), code, stage)
        for name, (envelope, why) in cases.items()
    ]


def _headers() -> list[Vector]:
    def resealed(**prefix: int) -> bytes:
        return make_sealer(encode_prefix(**prefix)).seal(encode_inner())

    families = {
        "empty": (b"", "Cut to nothing."),
        "the family alone": (b"SKE", "Fewer than 4 bytes have no format version."),
        "first byte of the family": (flip(SMALL, 0), "Another family."),
        "second byte of the family": (flip(SMALL, 1), "Another family."),
        "third byte of the family": (flip(SMALL, 2), "Another family."),
        "the family of wraps": (b"SKW" + SMALL[3:], "Another family."),
    }
    lengths = {
        "the magic alone": (SMALL[:4], "Cut after the magic."),
        "73 bytes": (SMALL[: HEADER_BYTES - 1], "A header has 74 bytes."),
    }
    limits = {
        "epoch 0": (resealed(epoch=0), "Epochs begin at 1."),
        "epoch 2^31": (resealed(epoch=2**31), "Above the limit."),
    }
    epochs = {
        "epoch changed": (flip(SMALL, 9, 0x02), "Not the epoch of the given data key."),
        "another epoch": (resealed(epoch=2), "A correct envelope of epoch 2; the commit says 1."),
    }
    versions = {
        "format version 2": (b"SKE2" + SMALL[4:], "The client is too old."),
        "format version 0": (b"SKE0" + SMALL[4:], "Only the digit 1 is known."),
        "format version 1 as a number": (b"SKE\x01" + SMALL[4:], "The version is an ASCII digit."),
        "format version 2, of another length": (b"SKE2", "Another format may have another header."),
    }
    suites = {
        "suite 0": (resealed(suite=0), "An unknown suite, sealed correctly."),
        "suite 2": (resealed(suite=2), "An unknown suite, sealed correctly."),
    }
    logs = {f"chunk size 2^{log2}": log2 for log2 in (0, 11, 23, 255)}
    limits |= {name: (_with_log2(log2), "Outside 2^12 … 2^22.") for name, log2 in logs.items()}
    failed = {"family": families, "length": lengths, "limits": limits, "epoch": epochs}
    unsupported = {"version": versions, "suite": suites}
    return [
        *(v for rule, cases in failed.items() for v in _refuse(rule, cases, stage="header")),
        *(
            vector
            for rule, cases in unsupported.items()
            for vector in _refuse(rule, cases, stage="header", code="unsupported_format")
        ),
    ]


def _with_log2(log2: int) -> bytes:
    """Seal in one chunk under a prefix with this chunk size, correctly but for the size."""
    sealer = make_sealer(encode_prefix(log2=log2))
    return sealer.header + sealer.seal_chunk(0, encode_inner(), final=1)


def _commitments() -> list[Vector]:
    sealer = make_sealer()
    header = sealer.header[:42] + counting(0xE0, 32)
    chunk = encrypt(sealer.item_key, bytes(11) + b"\x01", encode_inner(), header + sealer.place)
    without_place = derive(DATA_KEY, SALT, "solekey/v1/item", encode_prefix(), 64)
    altered = {
        "chunk size changed": (flip(SMALL, 5), "2^13 is inside the limits, but not what was committed to."),
        "first byte of the salt": (flip(SMALL, 10), "The salt is part of the derivation."),
        "last byte of the salt": (flip(SMALL, 41, 0x80), "The salt is part of the derivation."),
        "first byte of the commitment": (flip(SMALL, 42), "Another commitment."),
        "last byte of the commitment": (flip(SMALL, 73, 0x80), "The whole commitment is compared."),
        "another commitment, sealed with it": (
            header + chunk,
            "Key, tags and associated data are right: only the comparison refuses it.",
        ),
        "derived without the place": (
            encode_prefix() + SALT + without_place[32:] + SMALL[HEADER_BYTES:],
            "The context ends with the place.",
        ),
    }
    both_keys, _ = envelope_accepted.make_colliding_envelope()
    moved = {
        "moved to another account": (open_input(SMALL, account=OTHER_ACCOUNT_RAW), "The place is bound."),
        "moved to another item": (open_input(SMALL, item=OTHER_ITEM_RAW), "The place is bound."),
        "account and item exchanged": (
            open_input(SMALL, account=ITEM_RAW, item=encode_place()[:16]),
            "The order in the place counts.",
        ),
        "moved to the next version": (open_input(SMALL, version=4), "The place is bound."),
        "an older version": (open_input(SMALL, version=2), "The place is bound."),
        "a version that differs in the high bytes": (
            open_input(SMALL, version=3 + 2**32),
            "A version is 8 bytes.",
        ),
        "another data key": (open_input(SMALL, data_key=OTHER_DATA_KEY), "Of the same epoch."),
        "a ciphertext whose tag verifies under two data keys, with the other": (
            open_input(both_keys, data_key=OTHER_DATA_KEY),
            "AES-GCM alone would open it.",
        ),
    }
    return [
        *_refuse("commitment", altered),
        *(
            Vector(f"commitment: {name}", "§6 commitment", why, given, "open_failed", "commitment")
            for name, (given, why) in moved.items()
        ),
    ]


def _cut_or_moved() -> list[Vector]:
    first, second, last = LONG_CHUNKS
    orders = {
        "the final chunk is gone": ((first, second), "Cut between two chunks."),
        "all but the first chunk is gone": ((first,), "Cut between two chunks."),
        "cut inside a chunk": ((first, second[:2000]), "Cut."),
        "cut inside the final chunk": ((first, second, last[:100]), "Cut."),
        "cut inside the final tag": ((first, second, last[:-1]), "Cut by one byte."),
        "the final tag is gone": ((first, second, last[:-16]), "Cut."),
        "the first chunk is gone": ((second, last), "Cut at the front."),
        "the second chunk is gone": ((first, last), "Cut in the middle."),
        "two chunks exchanged": ((second, first, last), "The counter is in the nonce."),
        "the second chunk twice": ((first, second, second, last), "Repeated."),
        "the first chunk in the second's place": ((first, first, last), "Repeated."),
        "the final chunk twice": ((first, second, last, last), "Appended."),
        "a whole chunk appended": ((first, second, last, first), "Appended."),
        "one byte appended": ((first, second, last, b"\x00"), "Appended."),
        "16 bytes appended": ((first, second, last, bytes(16)), "Appended."),
    }
    cases = {name: (LONG_HEADER + b"".join(chunks), why) for name, (chunks, why) in orders.items()}
    cases |= {
        "the header alone": (SMALL[:HEADER_BYTES], "Cut after the header: the final chunk is missing."),
        "half a tag": (SMALL[: HEADER_BYTES + 8], "Fewer bytes than a tag."),
        "the small envelope twice": (SMALL + SMALL, "Appended."),
    }
    return _refuse("chunk", cases)


def _altered() -> list[Vector]:
    size = 4096 + 16
    offsets = {
        "first byte of the first chunk": 0,
        "last tag byte of the first chunk": size - 1,
        "a byte of the second chunk": size + 2048,
        "a tag byte of the second chunk": 2 * size - 16,
        "first byte of the final chunk": 2 * size,
        "last ciphertext byte of the final chunk": 2 * size + 511,
        "last byte of all": 2 * size + 527,
    }
    return _refuse(
        "chunk",
        {
            f"changed: {name}": (flip(LONG, HEADER_BYTES + offset, 0x80), "One bit.")
            for name, offset in offsets.items()
        },
    )


def _sealed_against_the_rules() -> list[Vector]:
    sealer, inner = make_sealer(), encode_inner()
    key, header, place = sealer.item_key, sealer.header, sealer.place
    last = bytes(11) + b"\x01"

    def single(nonce: bytes, associated_data: bytes) -> bytes:
        return header + encrypt(key, nonce, inner, associated_data)

    marked_early = sealer.seal_chunk(0, LONG_INNER[:4096], final=1)
    cases = {
        "the only chunk is not final": (
            single(bytes(12), header + place),
            "The flag is 0x01 on the last chunk.",
        ),
        "final flag 0x02": (single(bytes(11) + b"\x02", header + place), "The flag is 0x01."),
        "final flag 0xff": (single(bytes(11) + b"\xff", header + place), "The flag is 0x01."),
        "flag before the counter": (single(b"\x01" + bytes(11), header + place), "The flag stands last."),
        "counted from 1": (single(bytes(10) + b"\x01\x01", header + place), "The first chunk is chunk 0."),
        "the header is not authenticated": (single(last, place), "Associated data is header and place."),
        "the place is not authenticated": (single(last, header), "Associated data is header and place."),
        "place before header": (single(last, place + header), "Associated data is header, then place."),
        "the final flag on the first of three chunks": (
            LONG_HEADER + marked_early + b"".join(LONG_CHUNKS[1:]),
            "The flag is on no chunk but the last.",
        ),
        "a counter in little-endian order": (
            LONG_HEADER
            + LONG_CHUNKS[0]
            + encrypt(key, b"\x01" + bytes(11), LONG_INNER[4096:8192], header + place)
            + LONG_CHUNKS[2],
            "The counter is big-endian.",
        ),
    }
    return [*_refuse("chunk", cases), _refuse_empty_final_chunk()]


def _refuse_empty_final_chunk() -> Vector:
    sealer = make_sealer()
    inner = encode_inner(content=bytes(8192 - 12 - len(encode_json(METADATA))))
    pieces = [sealer.seal_chunk(i, inner[4096 * i : 4096 * (i + 1)], final=0) for i in range(2)]
    envelope = sealer.header + b"".join([*pieces, sealer.seal_chunk(2, b"", final=1)])
    return Vector(
        "padding: an empty final chunk",
        "§6 size",
        "The last chunk holds at least one byte: no inner plaintext gives an envelope of this size.",
        open_input(envelope),
        "open_failed",
        "padding",
    )
