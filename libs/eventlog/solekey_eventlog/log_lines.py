r"""Log lines that nobody else can write: a request's text neither begins a line nor moves a cursor.

Two formats. *text*, for people::

    2026-11-28 17:59:01,204 INFO solekey_service.http_server.application: GET /v1/… 200 3.1 ms request_id=…

*json*, for machines: one object a line, of ASCII alone (RFC 8259; everything else is ``\uXXXX``)::

    {"time": "2026-11-28T17:59:01.204Z", "level": "INFO", "logger": "…", "message": "…", …}

Beside these four stand what the line belongs to (``request_id``, ``event``: log_context.py), what its
writer names (``fields`` of the record), and ``exception``, a traceback. Long texts are cut.
"""

import json
import logging
import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from solekey_eventlog.log_context import find_log_facts

FIELDS: Final = "fields"
"""The name under which ``extra`` has a line's own fields: numbers and texts by their names."""
MAX_MESSAGE_CHARS: Final = 8 * 1024
MAX_TRACEBACK_CHARS: Final = 32 * 1024
_MAX_FIELD_CHARS: Final = 2 * 1024
_UNPLAIN: Final = re.compile(r"[^ -~]")
_UNPLAIN_BUT_NEWLINE: Final = re.compile(r"[^ -~\n]")


class LogFormat(StrEnum):
    """How lines are written."""

    TEXT = "text"
    JSON = "json"


def make_formatter(log_format: LogFormat) -> logging.Formatter:
    """Make the formatter of a format."""
    if log_format is LogFormat.JSON:
        return JsonFormatter()
    return SafeFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")


class SafeFormatter(logging.Formatter):
    r"""Formats a record on one line; what could do more than be read is shown as an escape, ``\u{1b}``.

    A traceback keeps its lines, indented, so that none of them looks like a record.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the name of the base class
        """Format the record's first line."""
        facts = "".join(f" {name}={value}" for name, value in find_log_facts().items())
        return _UNPLAIN.sub(_escape, _cut(super().formatMessage(record), MAX_MESSAGE_CHARS) + facts)

    def formatException(self, ei: object) -> str:  # noqa: N802  # the name of the base class
        """Format a traceback."""
        return _indent(super().formatException(ei))  # type: ignore[arg-type]  # an exc_info, whose type has no name

    def formatStack(self, stack_info: str) -> str:  # noqa: N802  # the name of the base class
        """Format a stack."""
        return _indent(super().formatStack(stack_info))


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object of ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        members: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat("T", "milliseconds")[:23] + "Z",
            "level": record.levelname,
            "logger": record.name,
            "message": _cut(record.getMessage(), MAX_MESSAGE_CHARS),
            **find_log_facts(),
        }
        for name, value in getattr(record, FIELDS, {}).items():
            members.setdefault(name, _cut(value, _MAX_FIELD_CHARS) if isinstance(value, str) else value)
        if record.exc_info:
            members["exception"] = _cut(self.formatException(record.exc_info), MAX_TRACEBACK_CHARS)
        if record.stack_info:
            members["stack"] = _cut(self.formatStack(record.stack_info), MAX_TRACEBACK_CHARS)
        return json.dumps(members, ensure_ascii=True, default=str)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit} more characters)"


def _indent(text: str) -> str:
    safe = _UNPLAIN_BUT_NEWLINE.sub(_escape, _cut(text, MAX_TRACEBACK_CHARS))
    return "\n".join(f"    {line}" for line in safe.split("\n"))


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    return character if character.isprintable() else f"\\u{{{ord(character):x}}}"
