"""Runs the vault as a process: ``python -m solekey_vault``."""

from solekey_service.runner import main  # patches the standard library: stays first

# isort: split
from solekey_vault.config import VaultConfig
from solekey_vault.service import VaultService

if __name__ == "__main__":
    main(VaultService, VaultConfig)
