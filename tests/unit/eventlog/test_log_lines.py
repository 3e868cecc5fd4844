"""What a request brings into the log cannot write the log."""

import json
import logging

import pytest

from solekey_eventlog.log_context import logging_for
from solekey_eventlog.log_lines import JsonFormatter, LogFormat, SafeFormatter, make_formatter

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


def parse(message: str, **more: object) -> dict[str, object]:
    line = write(JsonFormatter(), message, **more)
    assert line.isascii()
    assert line.isprintable()
    document = json.loads(line)
    assert isinstance(document, dict)
    return document


def test_a_json_record_is_one_line_of_ascii():
    document = parse(HOSTILE, created=1764352741.2049)
    assert document == {
        "time": "2025-11-28T17:59:01.204Z",
        "level": "INFO",
        "logger": "log",
        "message": f"{HOSTILE} 200",
    }


def test_a_json_record_has_its_own_fields_and_none_takes_the_place_of_another():
    hostile = '","level":"CRITICAL","x":"'
    document = parse("x", fields={"path": hostile, "status": 404, "level": "DEBUG", "message": "other"})
    assert document["path"] == hostile
    assert document["status"] == 404
    assert (document["level"], document["message"]) == ("INFO", "x 200")


def test_a_json_traceback_is_a_member():
    with pytest.raises(ValueError, match="GET") as caught:
        raise ValueError(HOSTILE)
    text = parse("x", exc_info=caught._excinfo)["exception"]
    assert "ValueError: GET /a" in str(text)


@pytest.mark.parametrize("log_format", LogFormat)
def test_huge_values_are_cut(log_format: LogFormat):
    formatter = make_formatter(log_format)
    with pytest.raises(ValueError, match="yyy") as caught:
        raise ValueError("y" * 1_000_000)
    line = write(formatter, "x" * 1_000_000, fields={"path": "z" * 100_000}, exc_info=caught._excinfo)
    assert len(line) < 70_000
    assert "more characters" in line


@pytest.mark.parametrize("log_format", LogFormat)
def test_lines_say_which_request_and_event_they_belong_to(log_format: LogFormat):
    formatter = make_formatter(log_format)
    with logging_for(request_id="0123"):
        outer = write(formatter, "x")
        with logging_for(event="acc_a/auth/1"):
            inner = write(formatter, "x")
    after = write(formatter, "x")
    assert [[word in line for line in (outer, inner, after)] for word in ("0123", "acc_a/auth/1")] == [
        [True, True, False],
        [False, True, False],
    ]
