"""The real platform, whose operator asks for more work to be put into passwords than the floor."""

from solekey_standalone import __main__ as standalone  # stays first: it sets up the runner

# isort: split
import sys
from dataclasses import replace
from typing import Any

from solekey_auth.config import AuthConfig

KDF_WANTED = "memory_kib=98304,iterations=4"
_make_configs = standalone.make_configs


def make_demanding_configs(*given: Any, **named: Any) -> Any:
    """Make the configurations, with the wish in that of the auth service."""
    return tuple(
        replace(config, kdf_wanted=KDF_WANTED) if isinstance(config, AuthConfig) else config
        for config in _make_configs(*given, **named)
    )


if __name__ == "__main__":
    standalone.make_configs = make_demanding_configs
    sys.exit(standalone.main())
