"""Configuration of the vault."""

from dataclasses import dataclass

from solekey_eventlog.config import ServiceConfig
from solekey_vault.objects import find_object_store_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultConfig(ServiceConfig):
    """What every service is told, and where large objects lie."""

    object_store_url: str
    """file:///absolute/folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix; the clouds'
    own environment variables (AWS_…, GOOGLE_…, AZURE_…) hold their credentials."""

    grace_days: int = 30
    """How long retired wraps and purged ciphertext are kept, so that their user can bring them back."""

    def find_problems(self) -> list[str]:
        """See ServiceConfig.find_problems."""
        problems = ServiceConfig.find_problems(self)  # super() does not know a slotted dataclass's copy
        problem = find_object_store_problem(self.object_store_url)
        return [*problems, f"object_store_url: {problem}"] if problem else problems
