"""What a new device is called, and where its key is kept: ``--device-name`` and ``--device-key``."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def device_options(command: F) -> F:
    """Add the options of a new device."""
    for option in (
        click.option(
            "--device-key",
            envvar="SOLEKEY_DEVICE_KEY",
            show_envvar=True,
            metavar="SPEC",
            help="Where a new device's key is kept: file: (the profile, the default), keyring:[NAME] or "
            "pkcs11:…",
        ),
        click.option(
            "--device-name",
            envvar="SOLEKEY_DEVICE_NAME",
            show_envvar=True,
            help="What a new device is called; the server sees it. What kind of machine it is if not given.",
        ),
    ):
        command = option(command)
    return command
