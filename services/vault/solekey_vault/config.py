"""Configuration of the vault."""

from dataclasses import dataclass
from typing import Final

from solekey_protocol.limits import MIB
from solekey_service.config import ServiceConfig
from solekey_vault.blobs import find_object_store_problem
from solekey_vault.history_limits import HistoryLimits
from solekey_vault.usage_repository import Quota

MAX_DAYS: Final = 36_500
"""A hundred years: what is to be kept for longer needs no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultConfig(ServiceConfig):
    """What every service is told, and where large objects lie."""

    object_store_url: str
    """file:///absolute/folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix; the clouds'
    own environment variables (AWS_…, GOOGLE_…, AZURE_…) hold their credentials."""

    grace_days: int = 30
    """How long retired wraps and purged ciphertext are kept, so that their user can bring them back."""

    history_versions: int = 100
    """How many replaced versions of an item are kept; those before them are collected, and deleted after the
    grace time. 0: no limit."""
    history_days: int = 365
    """How long a version is kept once it is replaced; then it is collected, and deleted after the grace time.
    0: no limit."""

    offline_reading: bool = True
    """Whether devices may keep wraps and ciphertext, to read without this server. A client that is told no
    erases what it keeps."""

    object_store_reserve_bytes: int = 256 * MIB
    """Free bytes of a folder's disk that uploads leave alone, for the databases on it. Below it an upload is
    refused (507 storage_full). 256 MiB."""

    account_bytes: int = 100 * 1024 * MIB
    """Bytes of objects that one account may store, those included that no commit names. 100 GiB."""
    account_objects: int = 1_000_000
    """Objects that one account may store."""
    account_bytes_per_hour: int = 20 * 1024 * MIB
    """Bytes of new objects that one account may send within an hour of the clock. 20 GiB."""
    account_objects_per_hour: int = 200_000
    """New objects that one account may send within an hour of the clock."""

    account_wraps: int = 2_000
    """Wraps that one account may make in all, retired ones included: services keep what is said of each in
    memory. Three times as many while a rotation is open, which makes one or two of each data key."""

    @property
    def quota(self) -> Quota:
        """What one account may store and send."""
        return Quota(
            self.account_bytes,
            self.account_objects,
            self.account_bytes_per_hour,
            self.account_objects_per_hour,
        )

    @property
    def history_limits(self) -> HistoryLimits:
        """How long replaced versions are kept."""
        return HistoryLimits(self.history_versions, self.history_days, self.grace_days)

    def find_problems(self) -> list[str]:
        """See ServiceConfig.find_problems."""
        problems = ServiceConfig.find_problems(self)  # super() does not know a slotted dataclass's copy
        problem = find_object_store_problem(self.object_store_url)
        if self.object_store_reserve_bytes < 0:
            problems = [*problems, "object_store_reserve_bytes: expected 0 or more bytes"]
        quota = self.quota
        if min(quota.bytes, quota.objects, quota.bytes_per_hour, quota.objects_per_hour) < 1:
            problems = [
                *problems,
                "account_bytes, account_objects, …_per_hour: expected at least 1",
            ]
        if self.account_wraps < 1:
            problems = [*problems, "account_wraps: expected at least 1"]
        problems = [*problems, *self._find_history_problems()]
        return [*problems, f"object_store_url: {problem}"] if problem else problems

    def _find_history_problems(self) -> list[str]:
        problems = []
        if not 0 <= self.grace_days <= MAX_DAYS:
            problems.append(f"grace_days: expected 0 to {MAX_DAYS}")
        if not 0 <= self.history_versions < 2**31:
            problems.append("history_versions: expected 0 (no limit) to 2147483647")
        if not 0 <= self.history_days <= MAX_DAYS:
            problems.append(f"history_days: expected 0 (no limit) to {MAX_DAYS}")
        return problems
