"""``solekey completion install`` and ``show``: the shell completes commands, options and names."""

import os
from pathlib import Path
from typing import Final

import click
from click.shell_completion import get_completion_class

from solekey.cli.command_group import CommandGroup
from solekey.cli.output.foreign_text import Shown
from solekey.cli.output.printing import say, usage_error
from solekey.cli.state import Cli, output_options, pass_cli

_SHELLS: Final = ("bash", "zsh", "fish")
_VARIABLE: Final = "_SOLEKEY_COMPLETE"
_PLACES: Final = {
    "bash": ".local/share/bash-completion/completions/solekey",
    "zsh": ".local/share/zsh/site-functions/_solekey",
    "fish": ".config/fish/completions/solekey.fish",
}
_shell = click.option(
    "--shell", type=click.Choice(_SHELLS), help="Which shell; the one that SHELL names if not given."
)


@click.group(cls=CommandGroup)
def completion() -> None:
    """Have the shell complete commands, options, profiles and devices."""


@completion.command()
@_shell
@output_options
@pass_cli
def install(state: Cli, shell: str | None) -> None:
    """Write the completion where the shell finds it, in your home."""
    chosen = _choose(shell)
    path = Path.home() / _PLACES[chosen]
    path.parent.mkdir(parents=True, exist_ok=True)

    from solekey.files.whole_file import write_whole

    write_whole(path, _render(chosen).encode())
    if state.as_json:
        state.emit({"shell": chosen, "output": str(path)})
        return
    say("Written to {}. Open a new shell.", path)
    if chosen == "zsh":
        say("zsh looks there if your .zshrc says, before compinit: fpath+=({})", path.parent)


@completion.command()
@_shell
@output_options
@pass_cli
def show(state: Cli, shell: str | None) -> None:
    """Print the completion, to put it elsewhere."""
    script = _render(_choose(shell))
    if state.as_json:
        state.emit({"completion": script})
    else:
        say("{}", Shown(script))


def _choose(shell: str | None) -> str:
    chosen = shell or Path(os.environ.get("SHELL", "")).name
    if chosen not in _SHELLS:
        raise click.UsageError("say which shell: --shell bash, zsh or fish")
    return chosen


def _render(shell: str) -> str:
    from solekey.cli import solekey

    kind = get_completion_class(shell)
    if kind is None:
        raise usage_error("no completion is known for {}", shell)
    return kind(solekey, {}, "solekey", _VARIABLE).source()
