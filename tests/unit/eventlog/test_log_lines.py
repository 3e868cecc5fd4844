"""What a request brings into the log cannot write the log."""

import logging

import pytest

from solekey_eventlog.log_lines import SafeFormatter

HOSTILE = "GET /a\x1b]0;x\x07\r\n2026-11-28 CRITICAL all is well \x9b31m\u202e\u2028\udc80 é手"


def write(formatter: logging.Formatter, message: str, **more: object) -> str:
    record = logging.LogRecord("log", logging.INFO, "", 0, "%s %d", (message, 200), None)
    vars(record).update(more)
    return formatter.format(record)


def test_a_record_is_one_line_of_printable_characters():
    line = write(SafeFormatter("%(levelname)s %(message)s"), HOSTILE)
    assert line.isprintable()
    assert "\\u{1b}]0;x\\u{7}\\u{d}\\u{a}2026" in line
    assert line.endswith("é手 200")


def test_control_an_ordinary_formatter_lets_it_through():
    assert "\x1b" in write(logging.Formatter("%(message)s"), HOSTILE)


def test_a_traceback_is_indented_and_holds_no_control_characters():
    with pytest.raises(ValueError, match="GET") as caught:
        raise ValueError(HOSTILE)
    text = write(SafeFormatter("%(message)s"), "x", exc_info=caught._excinfo)
    first, *rest = text.split("\n")
    assert first == "x 200"
    assert all(line.startswith("    ") and line.isprintable() for line in rest)
    assert any("ValueError" in line for line in rest)
