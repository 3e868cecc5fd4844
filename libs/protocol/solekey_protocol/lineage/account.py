"""An account's signed streams together, and what an author had seen of them. Spec: lineage.md §1."""

from dataclasses import dataclass, replace

from solekey_protocol.services import Stream
from solekey_protocol.statements import EMPTY_HEAD, Statement
from solekey_protocol.streams import DevicesStream, RotationStream, VaultStream


@dataclass(frozen=True, slots=True)
class Account:
    """An account's signed streams, each followed at least as far as the statements in question claim."""

    devices: DevicesStream
    vault: VaultStream
    rotation: RotationStream

    @property
    def folds(self) -> tuple[DevicesStream, VaultStream, RotationStream]:
        """The folds, one a stream."""
        return self.devices, self.vault, self.rotation

    def before(self, stream: DevicesStream | VaultStream | RotationStream) -> "Account":
        """This account with one stream as it was before the statement in question."""
        match stream:
            case DevicesStream():
                return replace(self, devices=stream)
            case VaultStream():
                return replace(self, vault=stream)
            case _:
                return replace(self, rotation=stream)


def find_followed(account: Account, stream: Stream) -> int | None:
    """Find how far a stream was followed; None for one that claims nothing here."""
    match stream:
        case Stream.DEVICES:
            return account.devices.head.seq
        case Stream.VAULT:
            return account.vault.head.seq
        case Stream.ROTATION:
            return account.rotation.head.seq
        case _:
            return None


def find_seen(statement: Statement, stream: Stream) -> int:
    """How much of a stream the author had seen; of its own stream: all before the statement."""
    if stream is statement.stream:
        return statement.seq - 1
    return statement.heads.get(stream, EMPTY_HEAD).seq
