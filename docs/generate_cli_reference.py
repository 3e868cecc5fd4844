"""Writes docs/cli.md from the commands themselves: ``python docs/generate_cli_reference.py``.

A test compares; the page cannot rot.
"""

from collections.abc import Iterator
from pathlib import Path

import click

from solekey.cli import solekey
from solekey.cli.commands.audit import VERDICT_EXIT_CODES
from solekey.cli.exit_codes import EXIT_CODES

PAGE = Path(__file__).with_name("cli.md")
WIDTH = 100
INTRODUCTION = """\
# The command `solekey`

Made by `docs/generate_cli_reference.py` from the commands themselves. The first ten minutes are in the
[client guide](client-guide.md).

## Secrets

Every secret may come from its flag, from the environment variable beside it, or from a prompt. On the command
line, `-` takes one line of standard input and `@file` takes a file; a secret spelled out there is visible to
other programs of the machine. Where nobody can answer a prompt, the command says which flag it needs.

## Output

`--json` prints JSON, one document a line; the last one is the result, and earlier ones carry what must be
kept (`"step": "totp"`, `"step": "user_key"`) before it is in force. Errors are one JSON document on standard
error, `{"error": {"code", "message", "next"}}`, with a stable `code`. Progress and remarks are on standard
error, and silent with `--json` and `--quiet`.

## Exit codes

| code | when |
| --- | --- |
| 0 | done |
| 1 | failed otherwise |
| 2 | the command was called wrongly |
| 3 | not logged in, or the session is over |
| 4 | the login was refused |
| 5 | the user key is mistyped, or not the one that is in force |
| 6 | the server misbehaved: other bytes, other history, another certificate |
| 7 | no such item, device, session or factor, or several |
| 8 | try again later: the server is away or busy |
| 9 | the server refused, for another reason |
| 10 | done, but for the items that are named as unreadable; or a name may be one of theirs |
| 130 | interrupted; run the command again to go on |
"""
VERDICTS = ", ".join(f"{code} {verdict.replace('_', ' ')}" for verdict, code in VERDICT_EXIT_CODES.items())
INTRODUCTION += f"\n`solekey audit verify` ends by its verdict instead: {VERDICTS}.\n"


def render() -> str:
    """Render the page."""
    assert {code for code, _ in EXIT_CODES} == {1, 3, 4, 5, 6, 7, 8, 9, 10}  # noqa: S101  # the table above
    settings = {**solekey.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    root = click.Context(solekey, info_name="solekey", **settings)
    pages = [f"## `{path}`\n\n```text\n{text}\n```\n" for path, text in _iter_help(root)]
    return "\n".join([INTRODUCTION, *pages])


def _iter_help(context: click.Context) -> Iterator[tuple[str, str]]:
    yield context.command_path, context.command.get_help(context).rstrip()
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command is not None:
                child = click.Context(
                    command, info_name=name, parent=context, terminal_width=WIDTH, max_content_width=WIDTH
                )
                yield from _iter_help(child)


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
