"""Configuration of the vault."""

from dataclasses import dataclass

from solekey_eventlog.config import ServiceConfig
from solekey_protocol.limits import MIB
from solekey_vault.objects import find_object_store_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultConfig(ServiceConfig):
    """What every service is told, and where large objects lie."""

    object_store_url: str
    """file:///absolute/folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix; the clouds'
    own environment variables (AWS_…, GOOGLE_…, AZURE_…) hold their credentials."""

    grace_days: int = 30
    """How long retired wraps and purged ciphertext are kept, so that their user can bring them back."""

    object_store_reserve_bytes: int = 256 * MIB
    """Free bytes of a folder's disk that uploads leave alone, for the databases on it. Below it an upload is
    refused (507 storage_full). 256 MiB."""

    def find_problems(self) -> list[str]:
        """See ServiceConfig.find_problems."""
        problems = ServiceConfig.find_problems(self)  # super() does not know a slotted dataclass's copy
        problem = find_object_store_problem(self.object_store_url)
        if self.object_store_reserve_bytes < 0:
            problems = [*problems, "object_store_reserve_bytes: expected 0 or more bytes"]
        return [*problems, f"object_store_url: {problem}"] if problem else problems
