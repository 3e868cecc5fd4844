"""The options that give a second factor; what was given is in `Cli.second_factor`."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from solekey.cli.input.answers import read_secret
from solekey.cli.input.totp_secret import parse_totp_secret
from solekey.cli.state import Cli

F = TypeVar("F", bound=Callable[..., Any])


def code_options(command: F) -> F:
    """Add ``--code`` and the authenticator's secret for scripts; what was given is in `Cli.second_factor`."""
    help_ = "The authenticator's secret, for scripts that hold it; codes are made from it."
    command = _secret("--totp-secret", "SOLEKEY_TOTP_SECRET", help_)(command)
    return _secret("--code", "SOLEKEY_CODE", "The authenticator's six digits.")(command)


def factor_options(command: F) -> F:
    """Add all ways in which a second factor may be given."""
    command = click.option(
        "--passkey",
        is_flag=True,
        expose_value=False,
        callback=_remember,
        help="Use the security key that is connected, in the place of a code.",
    )(command)
    help_ = "A recovery code in the place of the authenticator's; it is used up."
    return code_options(_secret("--recovery-code", "SOLEKEY_RECOVERY_CODE", help_)(command))


def _secret(flag: str, env: str, help_: str) -> Callable[[F], F]:
    return click.option(
        flag,
        envvar=env,
        show_envvar=True,
        expose_value=False,
        callback=_remember,
        metavar="SECRET",
        help=help_,
    )


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value in (None, False) or parameter.name is None:
        return
    if parameter.name != "passkey":
        value = read_secret(context, parameter, value)
    if parameter.name == "totp_secret":
        value = parse_totp_secret(value)
    setattr(context.ensure_object(Cli).second_factor, parameter.name, value)
