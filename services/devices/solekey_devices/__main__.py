"""Runs the devices service as a process: ``python -m solekey_devices``."""

from solekey_service.runner import main  # patches the standard library: stays first

# isort: split
from solekey_devices.definition import DEFINITION

if __name__ == "__main__":
    main(DEFINITION)
