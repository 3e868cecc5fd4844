"""Runs the auth service as a process: ``python -m solekey_auth``."""

from solekey_service.runner import main  # patches the standard library: stays first

# isort: split
from solekey_auth.definition import DEFINITION

if __name__ == "__main__":
    main(DEFINITION)
