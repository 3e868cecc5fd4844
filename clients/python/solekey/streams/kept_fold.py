"""What a stream amounts to, kept in the profile: opening an account reads what follows, not all of it.

*File.* ``streams/<stream>.fold``: a signature of the device key (64 bytes) over the label and the rest; the
rest is CBOR ``[1, account, stream, size, offsets, continued, snapshot, unjudged]``: how much of the records'
file it stands on, where the blocks of that begin (8 bytes each) and the digests that they continue (32 bytes
each), the fold, and of each statement that other streams have not borne out yet the place and the fold before
it.

It is used only if this device has signed it, and the records' file still has the last record that it stands
on. Otherwise the records are verified anew, signatures included, and it is written again.
Spec: events.md §6.2.
"""

import logging
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from solekey.crypto import DeviceKey
from solekey.files.private_folder import PrivateFolder
from solekey_protocol.encoding import Cbor, encode_cbor, parse_cbor
from solekey_protocol.errors import MalformedError, ProtocolError
from solekey_protocol.ids import AccountId, Digest, PublicKey, SignatureHex
from solekey_protocol.limits import MIB
from solekey_protocol.services import Stream
from solekey_protocol.statements import verify_signature
from solekey_protocol.streams import Fold, decode_snapshot, encode_snapshot

S = TypeVar("S", bound=Fold)

LABEL: Final = b"solekey/v1/fold-snapshot\x00"
_FORMAT_VERSION: Final = 1
_SIGNATURE_BYTES: Final = 64
_OFFSET_BYTES: Final = 8
_DIGEST_BYTES: Final = 32
_MAX_FILE_BYTES: Final = 64 * MIB
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeptFold(Generic[S]):
    """A fold, and the records that it stands on; see `Records`.

    Attributes:
        state: the fold.
        size_bytes, offsets, continued: the records that it was made of.
        unjudged: places of statements that other streams must bear out, each with the fold before it.
    """

    state: S
    size_bytes: int
    offsets: list[int]
    continued: list[Digest]
    unjudged: tuple[tuple[int, S], ...]


def name_fold(stream: Stream) -> str:
    """Name the file of a stream's fold."""
    return f"streams/{stream}.fold"


def save_fold(folder: PrivateFolder, kept: KeptFold[S], device_key: DeviceKey) -> None:
    """Sign a fold as this device, and keep it. Raises DiskFullError, ProviderError."""
    chain = kept.state.chain
    unjudged: list[Cbor] = [[seq, encode_snapshot(before)] for seq, before in kept.unjudged]
    members: list[Cbor] = [
        _FORMAT_VERSION,
        chain.account,
        chain.stream.value,
        kept.size_bytes,
        b"".join(offset.to_bytes(_OFFSET_BYTES, "big") for offset in kept.offsets),
        bytes.fromhex("".join(kept.continued)),
        encode_snapshot(kept.state),
        unjudged,
    ]
    rest = encode_cbor(members)
    signature = bytes.fromhex(device_key.sign(LABEL + rest))
    folder.write(name_fold(chain.stream), signature + rest)


def load_fold(folder: PrivateFolder, kind: type[S], account: AccountId, key: PublicKey) -> KeptFold[S] | None:
    """Load the fold of a stream; None where there is none that this device has signed in this version."""
    name = name_fold(kind.STREAM)
    data = folder.read(name)
    if data is None:
        return None
    try:
        signature = SignatureHex(data[:_SIGNATURE_BYTES].hex())
        rest = data[_SIGNATURE_BYTES:]
        verify_signature(key, LABEL + rest, signature)
        return _decode_kept(kind, account, rest)
    except ProtocolError as error:
        _log.warning("%s is not used: %s; the records are verified anew", name, error)
        return None


def _decode_kept(kind: type[S], account: AccountId, rest: bytes) -> KeptFold[S]:
    """Decode what this device has signed. Raises MalformedError."""
    match parse_cbor(rest, max_bytes=_MAX_FILE_BYTES):
        case [1, str(owner), str(stream), int(size), bytes(offsets), bytes(continued), bytes(fold), [*rows]]:
            pass
        case _:
            raise MalformedError("expected a fold")
    state = decode_snapshot(kind, fold)
    if not owner == account == state.chain.account or stream != kind.STREAM:
        raise MalformedError("it is another stream's")
    starts = [
        int.from_bytes(offsets[at : at + _OFFSET_BYTES], "big")
        for at in range(0, len(offsets), _OFFSET_BYTES)
    ]
    digests = [
        Digest(continued[at : at + _DIGEST_BYTES].hex()) for at in range(0, len(continued), _DIGEST_BYTES)
    ]
    return KeptFold(state, size, starts, digests, tuple(_decode_unjudged(kind, row) for row in rows))


def _decode_unjudged(kind: type[S], row: Cbor) -> tuple[int, S]:
    match row:
        case [int(seq), bytes(before)] if seq >= 1:
            return seq, decode_snapshot(kind, before)
        case _:
            raise MalformedError("expected a place and a fold")
