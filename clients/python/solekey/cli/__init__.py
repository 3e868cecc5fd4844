"""The command ``solekey``: the client library for people and scripts.

Rooms: ``commands`` one module a command, or a group of commands · ``input`` options, prompts, the
environment, files, standard input · ``output`` every word that is written.

Shared by all: ``state`` one invocation · ``known_profile`` ``profile_names`` what is on disk ·
``stored_key`` the user key that a device keeps · ``resuming`` ``offline`` what goes on after an interruption,
or without the server · ``exit_codes`` · ``hardening`` no core dumps · ``standard_streams``.

Nothing heavy is imported before a command runs, so that ``--help`` and completion are quick.
"""

import sys
from importlib import import_module
from typing import Final, NoReturn, cast

import click

from solekey.cli.command_group import CommandGroup
from solekey.cli.hardening import forbid_core_dumps
from solekey.cli.output.printing import show_usage_error, warn
from solekey.cli.standard_streams import finish_streams, prepare_streams
from solekey.cli.state import Cli, state_options

_INTERRUPTED: Final = "Interrupted; what was acknowledged is kept. Run the command again to go on."
_EXPOSED: Final = (
    "Warning: {}: a secret on the command line is seen by every user of this machine while the command runs, "
    "and stays in the shell's history. Give @FILE, - (standard input) or the environment variable instead."
)
_HOMES: Final = {
    "signup": "solekey.cli.commands.signup",
    "login": "solekey.cli.commands.login",
    "logout": "solekey.cli.commands.status",
    "status": "solekey.cli.commands.status",
    "put": "solekey.cli.commands.put",
    "get": "solekey.cli.commands.items",
    "list": "solekey.cli.commands.items",
    "describe": "solekey.cli.commands.put",
    "remove": "solekey.cli.commands.items",
    "conflicts": "solekey.cli.commands.conflicts",
    "resolve": "solekey.cli.commands.conflicts",
    "history": "solekey.cli.commands.history",
    "prune": "solekey.cli.commands.prune",
    "restore": "solekey.cli.commands.restore",
    "keep": "solekey.cli.commands.keep",
    "push": "solekey.cli.commands.queue",
    "queue": "solekey.cli.commands.queue",
    "devices": "solekey.cli.commands.devices",
    "sessions": "solekey.cli.commands.sessions",
    "factors": "solekey.cli.commands.factors",
    "password": "solekey.cli.commands.password",
    "rotate": "solekey.cli.commands.rotate",
    "repair": "solekey.cli.commands.repair",
    "accept-restoration": "solekey.cli.commands.accept_restoration",
    "user-key": "solekey.cli.commands.user_key",
    "recovery": "solekey.cli.commands.recovery",
    "events": "solekey.cli.commands.events",
    "heads": "solekey.cli.commands.heads",
    "audit": "solekey.cli.commands.audit",
    "account": "solekey.cli.commands.account",
    "profiles": "solekey.cli.commands.profiles",
    "completion": "solekey.cli.commands.completion",
}
_ALIASES: Final = {"ls": "list", "rm": "remove"}


class LazyGroup(CommandGroup):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of a user's first day."""
        del ctx
        return list(_HOMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        del ctx
        cmd_name = _ALIASES.get(cmd_name, cmd_name)
        if cmd_name not in _HOMES:
            return None
        attribute = {"list": "list_items", "get": "get_item"}.get(cmd_name, cmd_name.replace("-", "_"))
        return cast("click.Command", getattr(import_module(_HOMES[cmd_name]), attribute))

    def list_spellings(self, ctx: click.Context) -> list[str]:
        """The commands, and their short names."""
        return [*self.list_commands(ctx), *_ALIASES]


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 not logged in, 4 login refused, 5 wrong or mistyped "
    "user key, passphrase or PIN, 6 the server misbehaved, 7 no such item, device, session or factor, "
    "8 try again later, 9 refused, 130 interrupted.",
)
@click.version_option(package_name="solekey", message="%(prog)s %(version)s")
@state_options
def solekey() -> None:
    """Encrypt what you keep on a server that cannot read it. You hold the sole key.

    Every secret that a command asks for may come from its flag, from the environment variable that the flag
    names, from a file (`--password @file`) or from one line of standard input (`--password -`). What a key
    provider asks comes from SOLEKEY_PASSPHRASE or SOLEKEY_PIN.
    """


def run(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    state = Cli()
    as_json = "--json" in (sys.argv[1:] if arguments is None else arguments)  # also where parsing has failed
    try:
        return _run(state, arguments, as_json=as_json)
    finally:
        if state.exposed and not (as_json or state.as_json):
            warn(_EXPOSED, ", ".join(state.exposed))


def _run(state: Cli, arguments: list[str] | None, *, as_json: bool) -> int:
    try:
        code = solekey.main(args=arguments, prog_name="solekey", standalone_mode=False, obj=state)
    except click.exceptions.Abort:
        warn(_INTERRUPTED)
        return 130
    except click.ClickException as error:
        show_usage_error(error, as_json=as_json or state.as_json)
        return error.exit_code
    except KeyboardInterrupt:
        warn(_INTERRUPTED)
        return 130
    except BrokenPipeError:
        return 1
    except Exception as error:  # noqa: BLE001  # the outermost ring: a bug must still end in words
        from solekey.cli.exit_codes import report_error

        return report_error(state, error)
    return code if isinstance(code, int) else 0


def main() -> NoReturn:
    """Run as a program."""
    forbid_core_dumps()
    prepare_streams()
    sys.exit(finish_streams(run()))
