"""Writes docs/errors.md from the error classes: ``python docs/generate_error_reference.py``.

A test compares; a code that changes is seen in review.
"""

import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import yaml

from solekey import errors
from solekey.cli.exit_codes import EXIT_CODES
from solekey.errors import ServerRefusedError, SolekeyError
from solekey_protocol import errors as protocol_errors
from solekey_protocol.errors import ProtocolError

PAGE = Path(__file__).with_name("errors.md")
OPENAPI = Path(__file__).parents[1] / "spec" / "openapi" / "common.yaml"
INTRODUCTION = """\
# Errors

Made by `docs/generate_error_reference.py` from the classes themselves. Codes are stable: a program may decide
by them, and a code that changes is a breaking change. Every error of the client is a `solekey.SolekeyError`:
its `code` names it, `str(error)` says what happened, `error.diagnostics()` says what to do next. With
`--json`, the command prints all three on standard error: `{"error": {"code", "message", "next"}}`; it
words what to do next with its own commands. `error.action` says the same to a program: a `solekey.Action`.

A message never holds a key, a password, or the content of an item. It may repeat what its caller gave: the
name of an item that is missing, or the mistyped word of a phrase.
"""
CLIENT = """\
## The client's own

"exit" is the exit code of the command `solekey`. Where the advice depends on the case, this is its general
form.

| code | class | exit | action | what happened | what to do next |
| --- | --- | --- | --- | --- | --- |
"""
SERVER = """\
## What the server refuses

The server's problem document has the `code`; the client raises the class, which knows what to do next. All
are `ServerRefusedError`s of `solekey.errors`, with the HTTP `status` and the whole `problem`. Codes that have
no class of their own are `ServerRefusedError`s themselves.

| code | class | exit | action | what to do next |
| --- | --- | --- | --- | --- |
"""
CARRIED = """\
## What an error carries

Beside `code`, `action` and its message. A program that asks its user for a word again needs no parsing of
messages.

| class | attribute | what it is |
| --- | --- | --- |
"""
PROTOCOL = """\
## The protocol's own

Raised by `solekey_protocol`, which applications rarely call themselves; the command ends with 1.

| code | class | what happened |
| --- | --- | --- |
"""


def iter_client_errors() -> Iterator[type[SolekeyError]]:
    """Every public error class of the client with a code of its own, but those for the server's codes."""
    found = (getattr(errors, name) for name in errors.__all__)
    classes = [kind for kind in found if not issubclass(kind, ServerRefusedError)]
    return iter(sorted(classes, key=lambda kind: kind.code))


def read_server_codes() -> list[str]:
    """Every code that an operation of the HTTP interfaces answers."""
    document = yaml.safe_load(OPENAPI.read_text(encoding="utf-8"))
    codes: list[str] = document["components"]["schemas"]["Code"]["enum"]
    return sorted(codes)


def iter_protocol_errors() -> Iterator[type[ProtocolError]]:
    """Every error class of the protocol."""
    classes = [kind for kind in vars(protocol_errors).values() if inspect.isclass(kind)]
    found: list[type[ProtocolError]] = [kind for kind in classes if issubclass(kind, ProtocolError)]
    return iter(sorted(found, key=lambda kind: kind.code))


def iter_carried() -> Iterator[tuple[type[SolekeyError], str, str]]:
    """Every documented attribute of every public error class: the class, the name, what it is."""
    for kind in sorted((getattr(errors, name) for name in errors.__all__), key=lambda kind: kind.__name__):
        _, _, documented = inspect.cleandoc(vars(kind).get("__doc__") or "").partition("\nAttributes:\n")
        for line in textwrap.dedent(documented).splitlines():
            if attribute := re.match(r"(\w+): (.+)", line):
                yield kind, attribute[1], attribute[2]


def find_exit_code(kind: type[Exception]) -> int:
    """The exit code of the command for this class."""
    return next(exit_code for exit_code, kinds in EXIT_CODES if issubclass(kind, kinds))


def render() -> str:
    """Render the page."""
    client = [
        _row(
            f"`{kind.code}`",
            f"`{kind.__name__}`",
            find_exit_code(kind),
            kind.action,
            _summary(kind),
            kind.ADVICE,
        )
        for kind in iter_client_errors()
    ]
    refusals = [ServerRefusedError.build(400, {"code": code}) for code in read_server_codes()]
    server = [
        _row(
            f"`{refusal.code}`",
            f"`{type(refusal).__name__}`",
            find_exit_code(type(refusal)),
            refusal.action,
            refusal.diagnostics(),
        )
        for refusal in refusals
    ]
    protocol = [
        _row(f"`{kind.code}`", f"`{kind.__name__}`", _summary(kind)) for kind in iter_protocol_errors()
    ]
    carried = [_row(f"`{kind.__name__}`", f"`{name}`", said) for kind, name, said in iter_carried()]
    sections = [CLIENT, *client, "\n", SERVER, *server, "\n", CARRIED, *carried, "\n", PROTOCOL, *protocol]
    return "\n".join([INTRODUCTION, "".join(sections)])


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"


def _summary(kind: type[Exception]) -> str:
    paragraph = inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0]
    return " ".join(paragraph.split()).replace("``", "`")


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
