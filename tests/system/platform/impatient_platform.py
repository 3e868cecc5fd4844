"""The real platform, with second factors that count as fresh for 30 s only: what an operator may set."""

from solekey_standalone import __main__ as standalone  # stays first: it sets up the runner

# isort: split
import sys
from dataclasses import replace
from typing import Any

STEP_UP_S = 30
_make_configs = standalone.make_configs


def make_impatient_configs(*given: Any, **named: Any) -> Any:
    """Make the configurations, each with the shortest time that is allowed."""
    return tuple(replace(config, step_up_s=STEP_UP_S) for config in _make_configs(*given, **named))


if __name__ == "__main__":
    standalone.make_configs = make_impatient_configs
    sys.exit(standalone.main())
