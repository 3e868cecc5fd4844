"""Runs the rotation service as a process: ``python -m solekey_rotation``."""

from solekey_service.runner import main  # patches the standard library: stays first

# isort: split
from solekey_rotation.definition import DEFINITION

if __name__ == "__main__":
    main(DEFINITION)
