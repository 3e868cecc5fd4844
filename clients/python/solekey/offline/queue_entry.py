"""One queued change: what it is, as a record that is sealed under the data key, and the ciphertext beside it.

*Wire format.* ``queue/<number>.entry``: a journal (keys.md §5.4, purpose ``queue``) of one record, which is
deterministic CBOR: ``[1, number, device (16 bytes), item (16 bytes), base version, commit, queued at (ms),
epoch, header (32 bytes), [[digest (32 bytes), size], …]]``. The last three are those of the change that it
makes; of a removal they are 0, empty and empty. Spec: offline.md §6.
"""

from dataclasses import dataclass
from typing import Final, Self

from solekey.crypto import DataKey, RandomSource
from solekey.crypto.sealed_journal import JournalContext, JournalHeader
from solekey.errors import OpenError
from solekey_protocol.change_list import Change, Part
from solekey_protocol.encoding import Cbor, encode_cbor, parse_cbor
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import AccountId, DeviceId, Digest, ItemId
from solekey_protocol.limits import MAX_EPOCH, MAX_PART_BYTES, MAX_SAFE_INTEGER, MIB

FORMAT_VERSION: Final = 1
MAX_ENTRY_BYTES: Final = 64 * MIB
MAX_NUMBER: Final = 99_999_999
_PURPOSE: Final = "queue"
_DIGEST_BYTES: Final = 32
MAX_VERSION: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A put or a removal that is to be committed.

    Attributes:
        number: its place in the order.
        device: the device that queued it.
        item, base_version: the place that it follows, as this device knew it; 0 for a new item.
        commit: the last commit that this device had followed.
        queued_at_ms: when, by this device's clock.
        epoch: of its ciphertext; 0 for a removal.
        header, parts: its ciphertext, as a change list names it; empty for a removal.
    """

    number: int
    device: DeviceId
    item: ItemId
    base_version: int
    commit: int
    queued_at_ms: int
    epoch: int = 0
    header: Digest | None = None
    parts: tuple[Part, ...] = ()

    @property
    def is_removal(self) -> bool:
        """Whether it removes the item."""
        return not self.parts

    @property
    def change(self) -> Change:
        """The change that it makes if nothing else happens meanwhile."""
        if self.header is None:
            return Change(self.item, self.base_version + 1, 0, ())
        return Change(self.item, self.base_version + 1, self.epoch, self.parts, self.header)

    def encode(self) -> bytes:
        """Encode it as a record."""
        header = bytes.fromhex(self.header) if self.header is not None else b""
        parts: list[Cbor] = [[bytes.fromhex(part.digest), part.size] for part in self.parts]
        place: list[Cbor] = [self.item.raw, self.base_version, self.commit, self.queued_at_ms]
        return encode_cbor([FORMAT_VERSION, self.number, self.device.raw, *place, self.epoch, header, parts])

    @classmethod
    def parse(cls, record: bytes) -> Self:
        """Parse a record. Raises MalformedError."""
        match parse_cbor(record, max_bytes=MAX_ENTRY_BYTES):
            case [
                version,
                int(number),
                bytes(device),
                bytes(item),
                int(base),
                int(commit),
                int(queued_at_ms),
                int(epoch),
                bytes(header),
                [*rows],
            ] if version == FORMAT_VERSION and not isinstance(version, bool):
                parts = tuple(map(_parse_part, rows))
                verify_range(number, 1, MAX_NUMBER)
                verify_range(base, 0, MAX_VERSION - 1)
                verify_range(commit, 0, MAX_SAFE_INTEGER)
                verify_range(queued_at_ms, 0, MAX_SAFE_INTEGER)
                verify_range(epoch, 1 if parts else 0, MAX_EPOCH if parts else 0)
                verify_range(len(header), *((_DIGEST_BYTES,) * 2 if parts else (0, 0)))
                return cls(
                    number,
                    DeviceId.from_raw(device),
                    ItemId.from_raw(item),
                    base,
                    commit,
                    queued_at_ms,
                    epoch,
                    Digest(header.hex()) if parts else None,
                    parts,
                )
            case _:
                raise MalformedError("expected a queued change")


def seal_record(record: bytes, account: AccountId, data_key: DataKey, random: RandomSource) -> bytes:
    """Seal one record into a journal of its own."""
    context = JournalContext(account, _PURPOSE)
    header = JournalHeader.make(data_key, context, random)
    return header.raw + header.seal(record, data_key=data_key, context=context, random=random)


def open_record(sealed: bytes, account: AccountId, data_key: DataKey) -> bytes:
    """Open a journal of one record. Raises OpenError."""
    context = JournalContext(account, _PURPOSE)
    header = JournalHeader.parse(sealed)
    records = list(header.iter_records(sealed, data_key=data_key, context=context))
    if len(records) != 1:
        raise OpenError("chunk")
    return records[0]


def read_epoch(sealed: bytes) -> int:
    """Read which epoch's data key opens a record. Raises OpenError."""
    return JournalHeader.parse(sealed).epoch


def _parse_part(row: Cbor) -> Part:
    match row:
        case [bytes(digest), int(size)] if len(digest) == _DIGEST_BYTES and not isinstance(size, bool):
            verify_range(size, 1, MAX_PART_BYTES)
            return Part(Digest(digest.hex()), size)
        case _:
            raise MalformedError("expected a digest and a size")


def verify_range(number: int, least: int, most: int) -> None:
    """Verify that a number of a record is one, and within its range. Raises MalformedError."""
    if isinstance(number, bool) or not least <= number <= most:
        raise MalformedError("a queued change has a number out of its range")
