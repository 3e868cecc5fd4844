"""Runs the rotation service as a process: ``python -m solekey_rotation``."""

from solekey_service.runner import main  # patches the standard library: stays first

# isort: split
from solekey_rotation.config import RotationConfig
from solekey_rotation.service import RotationService

if __name__ == "__main__":
    main(RotationService, RotationConfig)
