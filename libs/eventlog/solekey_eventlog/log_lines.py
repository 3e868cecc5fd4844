"""Log lines that nobody else can write: a request's text neither begins a line nor moves a cursor."""

import logging
import re
from typing import Final

_UNPLAIN: Final = re.compile(r"[^ -~]")
_UNPLAIN_BUT_NEWLINE: Final = re.compile(r"[^ -~\n]")


class SafeFormatter(logging.Formatter):
    r"""Formats a record on one line; what could do more than be read is shown as an escape, ``\u{1b}``.

    A traceback keeps its lines, indented, so that none of them looks like a record.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the name of the base class
        """Format the record's first line."""
        return _UNPLAIN.sub(_escape, super().formatMessage(record))

    def formatException(self, ei: object) -> str:  # noqa: N802  # the name of the base class
        """Format a traceback."""
        return _indent(super().formatException(ei))  # type: ignore[arg-type]  # an exc_info, whose type has no name

    def formatStack(self, stack_info: str) -> str:  # noqa: N802  # the name of the base class
        """Format a stack."""
        return _indent(super().formatStack(stack_info))


def _indent(text: str) -> str:
    return "\n".join(f"    {line}" for line in _UNPLAIN_BUT_NEWLINE.sub(_escape, text).split("\n"))


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    return character if character.isprintable() else f"\\u{{{ord(character):x}}}"
