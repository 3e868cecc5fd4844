"""The data key of an epoch: what every item key is derived from. Spec: keys.md §5."""

from typing import Self

from solekey.crypto.hkdf import KEY_BYTES, Label, derive_bytes
from solekey.crypto.secrets import RandomSource, SecretBytes
from solekey.crypto.signing import CommitKey
from solekey_protocol.ids import AccountId
from solekey_protocol.limits import MAX_EPOCH


class DataKey(SecretBytes):
    """32 random bytes with the number of their epoch (1, 2, 3…).

    Raises:
        ValueError: an epoch outside 1..MAX_EPOCH, or another size.
    """

    __slots__ = ("epoch",)

    def __init__(self, epoch: int, secret: bytes | bytearray | memoryview) -> None:
        if not 1 <= epoch <= MAX_EPOCH:
            raise ValueError(f"epoch {epoch} is outside 1..{MAX_EPOCH}")
        super().__init__(secret)
        self.epoch = epoch

    @classmethod
    def make(cls, epoch: int, random: RandomSource) -> Self:
        """Make the data key of a new epoch."""
        return cls(epoch, random(cls.SIZE))

    def derive_commit_key(self, account: AccountId) -> CommitKey:
        """Derive the key that signs this epoch's commits; context: epoch (4 bytes). Spec: keys.md §4.1."""
        secret = derive_bytes(
            self.expose(),
            salt=account.raw,
            label=Label.COMMIT_KEY,
            size=KEY_BYTES,
            context=self.epoch.to_bytes(4, "big"),
        )
        return CommitKey(secret)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DataKey) and self.epoch != other.epoch:
            return False
        return super().__eq__(other)

    __hash__ = None

    def __repr__(self) -> str:
        return f"DataKey(epoch={self.epoch}, <redacted>)"
