"""Runs the vault service as a process: ``python -m solekey_vault``."""

from solekey_service.runner import main  # patches the standard library: stays first

# isort: split
from solekey_vault.definition import DEFINITION

if __name__ == "__main__":
    main(DEFINITION)
