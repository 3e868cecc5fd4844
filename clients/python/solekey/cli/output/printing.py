"""The one place where the command writes to a person, and the one way to do it.

A sentence is a template that stands in our source; what fills its braces may be anybody's, and is made
safe (`foreign_text`). So nothing that a server, a file or another device has chosen is ever taken for markup,
moves the cursor or begins a line of its own. A test holds every other module to it. Spec: conventions.md §11.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from solekey.cli.output.foreign_text import show_foreign

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPE_COLUMNS: Final = 200
"""How wide tables are where no terminal says it: ids and names stay whole."""
_UNPLAIN: Final = re.compile(r"[^\x20-\x7e]")


def fill(template: str, *values: object) -> str:
    """Fill a template of ours with texts of others. Without values it is taken as it stands."""
    return template.format(*map(show_foreign, values)) if values else template


def say(template: str, *values: object) -> None:
    """Say a result, on standard output."""
    click.echo(fill(template, *values), color=_use_color())


def warn(template: str, *values: object) -> None:
    """Say what is not a result, on standard error."""
    click.echo(fill(template, *values), err=True, color=_use_color())


def warn_of(label: str, template: str, *values: object) -> None:
    """Say what went wrong, after a red label."""
    click.echo(
        click.style(label, fg="red", bold=True) + fill(template, *values), err=True, color=_use_color()
    )


def prompt(template: str, *values: object, hide: bool = False, twice: bool = False) -> str:
    """Ask whoever is there for a line; hidden where it is a secret, twice where nobody could correct it."""
    return str(click.prompt(fill(template, *values), hide_input=hide, confirmation_prompt=twice, err=True))


def prompt_with_default(template: str, *values: object, default: str) -> str:
    """Ask whoever is there for a line, or for Enter. A default that is empty is not shown."""
    text = fill(template, *values)
    return str(click.prompt(text, default=default, show_default=bool(default), err=True))


def confirm(template: str, *values: object) -> None:
    """Ask whoever is there to agree. Raises click.Abort."""
    click.confirm(fill(template, *values), abort=True, err=True)


def usage_error(template: str, *values: object) -> click.UsageError:
    """Make the error of a command that was not called as it must be."""
    return click.UsageError(fill(template, *values))


def show_usage_error(error: click.ClickException, *, as_json: bool = False) -> None:
    """Say what was wrong with a command's call, and how it is called."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if as_json:
        command = context.command_path if context is not None else "solekey"
        advice = f"See how it is called: {command} --help"
        emit_json({"error": {"code": "usage", "message": error.format_message(), "next": advice}}, err=True)
        return
    if context is not None:
        click.echo(context.get_usage(), err=True, color=False)
        if context.command.get_help_option(context) is not None:
            warn("Try '{} --help' for help.", context.command_path)
        warn("")
    warn_of("Error: ", "{}", error.format_message())


def emit_json(document: Mapping[str, object], *, err: bool = False) -> None:
    """Print one JSON document on one line, at once; what is not plain stands there as an escape."""
    click.echo(_UNPLAIN.sub(_escape_json, json.dumps(document, ensure_ascii=False)), err=err, color=False)
    (sys.stderr if err else sys.stdout).flush()


def make_console(*, err: bool = False) -> "Console":
    """Make what draws tables and lines that change: no markup, no emoji codes, no guessed colours."""
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    width = None if stream.isatty() else PIPE_COLUMNS
    return Console(stderr=err, width=width, markup=False, emoji=False, highlight=False)


def make_table(*headings: str, whole: Sequence[str] = ()) -> "Table":
    """Make a table whose cells are folded, never cut; those of the columns ``whole`` stay on one line."""
    from rich.table import Column, Table

    columns = (Column(heading, overflow="fold", no_wrap=heading in whole) for heading in headings)
    return Table(*columns, box=None)


def add_row(table: "Table", *values: object) -> None:
    """Add a row; what stands in it may be anybody's."""
    from rich.text import Text

    table.add_row(*(Text(show_foreign(value), overflow="fold") for value in values))


def print_table(table: "Table") -> None:
    """Print a table on standard output."""
    make_console().print(table)


def print_pairs(pairs: Mapping[str, object]) -> None:
    """Print names and values, one pair a line, the values under each other."""
    from rich.table import Column, Table

    table = Table(Column(no_wrap=True), Column(overflow="fold"), show_header=False, box=None)
    for name, value in pairs.items():
        add_row(table, name.replace("_", " "), describe_value(value))
    print_table(table)


def count_of(number: int, noun: str) -> str:
    """Count things in words: 1 account, 2 accounts."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def describe_value(value: object) -> str:
    """Describe a value in words: what is not there is no Python."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value)) or "none"
    return str(value)


@contextmanager
def changing_line() -> Iterator[Callable[[str], None]]:
    """Draw one line on standard error again and again; it is gone when the block ends."""
    from rich.text import Text

    with make_console(err=True).status("", spinner="line") as status:
        yield lambda text: status.update(Text(show_foreign(text)))


@contextmanager
def alternate_screen(*, err: bool = False) -> Iterator[None]:
    """Show what the block prints on a screen of its own; afterwards no scroll-back has it."""
    stream = sys.stderr if err else sys.stdout
    if not stream.isatty() or os.environ.get("TERM") in {None, "dumb"}:
        yield
        return
    click.echo("\x1b[?1049h\x1b[H", nl=False, err=err, color=True)
    stream.flush()
    try:
        yield
    finally:
        click.echo("\x1b[2J\x1b[?1049l", nl=False, err=err, color=True)
        stream.flush()


def _use_color() -> bool | None:
    """No colours where the person wants none (https://no-color.org); None: if a terminal is looked at."""
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None


def _escape_json(match: re.Match[str]) -> str:
    from solekey.cli.output.foreign_text import find_unplain

    character = match.group()
    if find_unplain(character) is None:
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
