"""A group of commands that says which one may have been meant."""

from difflib import get_close_matches
from typing import Final

import click

from solekey.cli.output.printing import usage_error

_WHOLE: Final = 1000
"""Characters: longer than the first sentence of any command's help."""


class CommandGroup(click.Group):
    """A group whose unknown commands are answered with those that are spelt nearly so."""

    def list_spellings(self, ctx: click.Context) -> list[str]:
        """List what may be typed: the commands, and other names of theirs."""
        return self.list_commands(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, each with its whole first sentence, which click would cut off."""
        rows = [
            (name, command.get_short_help_str(_WHOLE))
            for name in self.list_commands(ctx)
            if (command := self.get_command(ctx, name)) is not None and not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; where there is none, say which one may have been meant."""
        name = args[0]
        if not ctx.resilient_parsing and not name.startswith("-") and self.get_command(ctx, name) is None:
            near = get_close_matches(name, self.list_spellings(ctx), n=3)
            meant = f" Did you mean {' or '.join(near)}?" if near else f" See {ctx.command_path} --help."
            raise usage_error("There is no command {}.{}", name, meant)
        return super().resolve_command(ctx, args)
