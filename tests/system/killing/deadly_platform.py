"""The embedded platform, which dies at a named point; forked from a process that has imported everything.

Each line of standard input starts it once more, when it has died; ``--arm`` names the file that says how many
points it passes. With ``SOLEKEY_TEST_DATABASES`` the services keep their rows in PostgreSQL.
"""

from solekey_standalone import __main__ as standalone  # stays first: it sets up the runner

# isort: split
import ctypes
import json
import os
import signal
import sys
from pathlib import Path

from solekey_standalone.folder import DataFolder
from tests.system.killing.service_points import make_points

_PR_SET_PDEATHSIG = 1


def use_postgres(template: str) -> None:
    DataFolder.database_url = lambda _, service: template.replace("SERVICE", service)  # type: ignore[method-assign]  # a test's
    DataFolder._find_missing = lambda _: []  # type: ignore[method-assign]  # there are no files to miss


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent has ended, however that ended."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    end_with_parent()
    control = Path(sys.argv.pop(1))
    make_points(control)
    if template := os.environ.get("SOLEKEY_TEST_DATABASES"):
        use_postgres(template)
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            end_with_parent()
            os._exit(standalone.main())
        sys.stdout.write(json.dumps({"pid": child}) + "\n")
        sys.stdout.flush()
        os.wait4(child, 0)
        sys.stdout.write(json.dumps({"ended": child}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
