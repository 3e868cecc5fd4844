"""Which server, and which authority certifies it: from flags, or asked for until a server answers.

At a terminal an authority that this machine does not know is shown with its fingerprint and pinned when the
person says yes. Where nobody is there, only ``--ca`` pins one. Spec: conventions.md §7.1.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from solekey.cli import opening
from solekey.cli.input.answers import ask
from solekey.cli.output.printing import prompt, prompt_with_default, warn
from solekey.cli.state import Cli

if TYPE_CHECKING:
    from solekey.connection.authority import Authority
    from solekey.server import Server

F = TypeVar("F", bound=Callable[..., Any])

SYSTEM: Final = Path("system")
"""What `--ca` says to trust the authorities that the system trusts, and no pinned one."""


class AuthorityFile(click.Path):
    """A file that is there, or the word ``system``."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:  # what click.Path says
        """Convert what was given."""
        return SYSTEM if str(value) == str(SYSTEM) else super().convert(value, param, ctx)


def server_options(command: F) -> F:
    """Add ``--server`` and ``--ca``."""
    for option in (
        click.option(
            "--ca",
            type=AuthorityFile(path_type=Path, dir_okay=False, exists=True),
            envvar="SOLEKEY_CA",
            show_envvar=True,
            help="PEM file of the only authority that may certify the server, or `system` for those that the "
            "system trusts. If not given, the system's; at a terminal, another one is shown and asked about.",
        ),
        click.option(
            "--server", envvar="SOLEKEY_SERVER", show_envvar=True, help="The server: https://host[:port]."
        ),
    ):
        command = option(command)
    return command


def choose_server(state: Cli, server: str | None, ca: Path | None, default: str = "") -> "Server":
    """Choose the server of a new device. What is typed wrongly is asked for again; what a flag says is
    refused.

    Args:
        state: the invocation.
        server: what the flag or the environment says.
        ca: likewise.
        default: the server of an earlier attempt.

    Raises:
        InsecureServerError, UnreachableError, BadAnswerError: no server that may be used, and nobody to ask.
    """
    while True:
        typed = server is None
        origin = _ask_server(default) if typed else str(server)

        from solekey.errors import TransportError
        from solekey.server import Server

        try:
            pinned = Server(_complete(origin) if typed else origin, None if ca == SYSTEM else ca)
            return _agree(state, pinned, is_asked=ca is None) if sys.stdin.isatty() else pinned
        except TransportError as error:
            if not (typed and sys.stdin.isatty()):
                raise
            warn("{}. Enter the server again; Ctrl-C gives up.", _begin_sentence(str(error)))


def _ask_server(default: str) -> str:
    if default and sys.stdin.isatty():
        return prompt_with_default("Server (https://…)", default=default)
    return ask(None, "Server (https://…)", "--server", hidden=False)


def _complete(typed: str) -> str:
    """Complete what a person typed: a host alone is meant as https."""
    return typed.strip() if "://" in typed else f"https://{typed.strip()}"


def _agree(state: Cli, server: "Server", *, is_asked: bool) -> "Server":
    """Agree on the authority: the one that fits already, or one that the person pins."""
    from solekey.connection.authority import fetch_authority, verify_server
    from solekey.errors import InsecureServerError

    runtime = opening.make_runtime(state)
    try:
        verify_server(server, runtime)
    except InsecureServerError:
        if not is_asked:
            raise
        shown = fetch_authority(server)
    else:
        return server
    while True:
        pinned = _ask_authority(server, shown)
        try:
            verify_server(pinned, runtime)
        except InsecureServerError as error:
            warn("{}.", _begin_sentence(str(error)))
        else:
            return pinned


def _ask_authority(server: "Server", shown: "Authority | None") -> "Server":
    """Ask whether the authority that a server shows is the right one; else for its file."""
    from solekey.errors import InsecureServerError
    from solekey.server import Server

    warn("{} is certified by an authority that this machine does not know.", server.origin)
    if shown is not None:
        warn("  name         {}", shown.name)
        warn("  good until   {}", f"{shown.ends:%Y-%m-%d}")
        warn("  fingerprint  SHA-256 {}", shown.fingerprint)
        warn("Compare the fingerprint with what the operator of the server says (`make up` prints it).")
        if ask_yes_no("Is it the right one? It is pinned then"):
            return Server(server.origin, _keep_for_now(shown.pem))
    while True:
        answer = prompt_with_default("The authority's PEM file; Enter for another server", default="")
        path = Path(answer).expanduser()
        if not answer:
            raise InsecureServerError(f"the authority of {server.origin} was not accepted")
        if path.is_file():
            return Server(server.origin, path)
        warn("There is no file {}.", path)


def ask_yes_no(question: str) -> bool:
    """Ask a person until the answer is yes or no."""
    while True:
        answer = prompt("{} [yes/no]", question).strip().lower()
        if answer in {"y", "yes"}:
            return True
        if answer in {"n", "no"}:
            return False
        warn("Answer yes or no.")


def _keep_for_now(pem: bytes) -> Path:
    """Keep a certificate in a file until the command ends; the profile takes its own copy."""
    from solekey.files.whole_file import write_whole

    folder = click.get_current_context().with_resource(TemporaryDirectory(prefix="solekey-"))
    path = Path(folder) / "ca.pem"
    write_whole(path, pem)
    return path


def _begin_sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
