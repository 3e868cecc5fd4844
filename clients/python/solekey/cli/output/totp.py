"""The secret of an authenticator app, shown: as text, as a QR code in the terminal, and as a picture."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from solekey.cli.input.output_file import OutputFile
from solekey.cli.output.printing import say
from solekey.cli.state import Cli

if TYPE_CHECKING:
    from solekey.connection.login import TotpSecret

F = TypeVar("F", bound=Callable[..., Any])

_SCALE: Final = 8
"""Pixels a module: cameras read it from a screen, and a line of text is as high."""


def totp_qr_option(command: F) -> F:
    """Add ``--totp-qr``."""
    return click.option(
        "--totp-qr",
        type=OutputFile(),
        metavar="FILE",
        help="Write the authenticator's QR code to FILE (PNG, readable for you only); delete it after use.",
    )(command)


def show_totp(state: Cli, totp: "TotpSecret", picture: Path | None) -> None:
    """Show the secret once. A picture that exists already is replaced only if it is the same one."""
    if picture is not None:
        _write_picture(totp, picture)
        state.tell("Saved {}. Scan it, then delete the file.", picture)
    if state.as_json:
        state.emit({"step": "totp", "secret": totp.secret, "uri": totp.uri})
        return
    if sys.stdout.isatty():
        import segno

        segno.make(totp.uri).terminal(compact=True)
    say("Add this to your authenticator app: {}", totp.secret)
    say("{}", totp.uri)


def _write_picture(totp: "TotpSecret", path: Path) -> None:
    import io

    import segno

    from solekey.files.whole_file import write_whole

    picture = io.BytesIO()
    segno.make(totp.uri, error="m").save(picture, kind="png", scale=_SCALE, border=4)
    if path.exists() and path.read_bytes() == picture.getvalue():
        return  # a sign-up that was interrupted after this
    write_whole(path, picture.getvalue(), new=True)
