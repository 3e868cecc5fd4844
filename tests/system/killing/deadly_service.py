"""One service of four, a process of its own, which dies at a named point.

``python -m tests.system.killing.deadly_service FOLDER PACKAGE``: FOLDER/arm says how many points it passes.
"""

from solekey_service.runner import main as run  # patches the standard library: stays first

# isort: split
import importlib
import sys
from pathlib import Path

from tests.system.killing.service_points import POLLED, make_points


def main() -> None:
    package, folder = sys.argv.pop(), Path(sys.argv.pop())
    make_points(folder, but=[POLLED])
    run(importlib.import_module(f"{package}.definition").DEFINITION)


if __name__ == "__main__":
    main()
