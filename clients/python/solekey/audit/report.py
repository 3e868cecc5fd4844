"""The verdict of an audit: findings, each with its evidence, and what every account amounts to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from solekey_protocol.event import Event
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId
from solekey_protocol.streams import AuthStream, DevicesStream, RotationStream, VaultStream


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that an honest service would not have written. ``code`` is stable (audit.md §3)."""

    code: str
    account: AccountId | None
    stream: str
    seq: int | None
    detail: str

    def __str__(self) -> str:
        """One line for a person."""
        where = f"{self.account or '?'} {self.stream}" + (f" seq {self.seq}" if self.seq else "")
        return f"{self.code}: {where}: {self.detail}"


@dataclass(frozen=True, slots=True)
class AccountReport:
    """What the log says about one account, as far as it could be verified."""

    account: AccountId
    events: tuple[Event, ...]
    auth: AuthStream
    devices: DevicesStream
    vault: VaultStream
    rotation: RotationStream
    pinned: bool

    def head(self, stream: Stream) -> int:
        """The last seq verified of a stream."""
        return int(getattr(self, stream.value).head.seq)


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict over a whole log."""

    records: int
    repeated: int
    accounts: Mapping[AccountId, AccountReport]
    findings: tuple[Finding, ...] = field(default=())

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def summary(self) -> dict[str, object]:
        """The verdict as plain values, for JSON and for a table."""
        return {
            "verdict": "clean" if self.clean else "tampered",
            "records": self.records,
            "repeated": self.repeated,
            "accounts": len(self.accounts),
            "pinned_accounts": sum(account.pinned for account in self.accounts.values()),
            "findings": [
                {
                    "code": finding.code,
                    "account": finding.account,
                    "stream": finding.stream,
                    "seq": finding.seq,
                    "detail": finding.detail,
                }
                for finding in self.findings
            ],
        }
