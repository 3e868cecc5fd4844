"""One way to print, and nothing of others in it that does more than be read. Spec: conventions.md §11."""

import ast
import json
import re
from pathlib import Path

import pytest

import solekey
from solekey.cli.exit_codes import report_error
from solekey.cli.output import printing
from solekey.cli.output.foreign_text import Shown, show_foreign
from solekey.cli.state import Cli
from solekey.errors import SolekeyError

CLIENT = Path(solekey.__file__).parent
COMMANDS = sorted((CLIENT / "cli").rglob("*.py"))
OURS = {"printing.py", "device_table.py"}  # the latter puts `Text` into every cell
SENTENCES = {
    "say", "warn", "warn_of", "tell", "prompt", "prompt_with_default", "confirm", "usage_error", "fill",
}  # fmt: skip
FORBIDDEN = re.compile(
    r"print|click\.(echo|secho|prompt|confirm|style)|.*console\.(print|log|out)|sys\.std(out|err)\.write"
    r"|Text\.from_markup|Console|Table"
)
UNSAFE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2067\ufeff\u3164\u2800\ud800-\udfff]"
)

# Names that an item may have: no control characters (envelope.md §5), everything else.
NAMES = {
    "closing tag": "notes [/old]",
    "brackets": "report [final].pdf",
    "link": "[link=https://evil.example]invoice.pdf[/link]",
    "style": "[on red]x[/]",
    "emoji code": ":bomb: x",
    "braces": "{0} {} {name!r} %s %d",
    "right-to-left override": "photo\u202egnp.exe",
    "isolates": "a\u2067b\u2069",
    "zero width": "a\u200bb\ufeff",
    "line separator": "a\u2028b\u2029c",
    "nothing to see": "\u3164\u2800",
    "piled marks": "a" + "\u0301" * 40,
    "Hebrew": "המחשב של דנה",
    "wide": "手机" * 20,
    "long": "x" * 400,
    "escaped": "\\u{202e}",
    "a verdict of ours": "verdict: clean",
    "a mark of ours": "x  version 9",
}
# What else may be anybody's: paths, server texts, user names.
TEXTS = {
    **NAMES,
    "escape sequence": "\x1b[2J\x1b]8;;https://evil.example\x07x",
    "line break": "a\r\nError: b",
    "bell, backspace": "a\x07\x08\x08b",
    "C1": "a\x9b31mb\x85c",
    "lone surrogate": "caf\udce9",
    "tag characters": "a\U000e0041b",
    "variation selectors": "a\ufe00\U000e0101b",
}


def find_violations(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if FORBIDDEN.fullmatch(name):
            found.append(f"line {node.lineno}: {name}")
        if name.rpartition(".")[2] in SENTENCES and not (node.args and _is_ours(node.args[0])):
            found.append(f"line {node.lineno}: the sentence of {name} is not literal")
        if name in {"click.UsageError", "click.BadParameter"} and not _is_ours(node.args[0]):
            found.append(f"line {node.lineno}: {name}: use printing.usage_error")
    return found


def _is_ours(node: ast.expr) -> bool:
    """A literal, a constant of the module, or a choice or a sum of them."""
    match node:
        case ast.Constant(value=str()):
            return True
        case ast.Name(id=name):
            return name == "template" or name.lstrip("_").isupper()
        case ast.IfExp(body=one, orelse=other) | ast.BinOp(left=one, right=other):
            return _is_ours(one) and _is_ours(other)
        case _:
            return False


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_every_sentence_is_ours_and_goes_one_way(path):
    if path.name not in OURS:
        assert find_violations(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "planted",
    [
        'console.print(f"{name}")',
        'click.echo("x")',
        "print(name)",
        'state.tell(f"Removed {name}.")',
        "say(name)",
        "say(str(error))",
        'warn("x" + name)',
        'raise click.UsageError(f"{path} is a folder")',
        'Table("name")',
        "sys.stdout.write(name)",
    ],
)
def test_control_the_rule_finds_what_is_planted(planted):
    assert find_violations(planted)


@pytest.mark.parametrize("what", TEXTS)
def test_a_text_is_shown_as_itself_on_one_line(what, capsys):
    printing.say("{}", TEXTS[what])
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert not UNSAFE.search(said)
    assert not re.search("[\u0300-\u036f]{3}", said)


@pytest.mark.parametrize("what", TEXTS)
def test_an_error_that_quotes_it_is_two_lines(what, capsys):
    assert report_error(Cli(), SolekeyError(TEXTS[what])) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 2
    assert not UNSAFE.search(said)


@pytest.mark.parametrize("what", TEXTS)
def test_json_holds_the_very_text_and_no_other_character(what, capsys):
    printing.emit_json({"name": TEXTS[what]})
    line = capsys.readouterr().out
    assert json.loads(line)["name"] == TEXTS[what]
    assert line.count("\n") == 1
    assert not UNSAFE.search(line)


def test_control_the_search_finds_what_was_not_made_safe():
    assert sum(bool(UNSAFE.search(text)) for text in TEXTS.values()) >= 9


def test_brackets_braces_and_backslashes_stay():
    for text in ("report [final].pdf", "notes [/old]", "{0} {}", "C:\\ada", "“quoted”", "Ünïcode 手机"):
        assert show_foreign(text) == text


def test_what_was_made_safe_is_not_made_safe_twice():
    hebrew = show_foreign("המחשב")
    assert isinstance(hebrew, Shown)
    assert show_foreign(hebrew) is hebrew


@pytest.mark.parametrize("columns", [200, 100, 80, 60, 40, 20])
def test_the_list_holds_every_name_at_every_width(home, run_cli, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(printing, "PIPE_COLUMNS", columns)
    vault = home.unlock("laptop")
    vault.put_many(dict.fromkeys(NAMES.values(), b"x"))
    code, out, _ = run_cli("laptop", "list", "--user-key", "@" + str(_key_file(home)))
    assert code == 0
    assert not UNSAFE.search(out)
    squeezed = re.sub(r"\s", "", out)
    for name in NAMES.values():
        shown = re.sub(r"\s", "", show_foreign(name)).strip("\u2068\u2069")
        assert (shown if columns < 80 else shown[:9]) in squeezed
    if columns >= 40:
        assert all(info.id in out for info in vault.list())


@pytest.mark.parametrize("what", NAMES)
def test_every_command_that_names_an_item_shows_it_safely(home, run_cli, tmp_path, what):
    name, key = NAMES[what], "@" + str(_key_file(home))
    for arguments in (
        ("put", "--name", name, "--text", "x"),
        ("list",),
        ("get", name, "-o", tmp_path / "out"),
        ("get", name, "--json"),
        ("remove", name),
        ("get", name),
    ):
        code, out, said = run_cli("laptop", *arguments, "--user-key", key)
        assert code == (7 if arguments == ("get", name) else 0), said
        assert not UNSAFE.search(out + said)
        assert "\x1b" not in out + said


def test_status_shows_names_of_devices_and_users_safely(home, run_cli):
    details = home.sessions["laptop"].connection.profile
    details.update(username="ada [/x]\u202e", device_name="[bold]laptop[/]\x1b[2J")
    code, out, _ = run_cli("laptop", "status")
    assert code == 0
    assert "ada [/x]\\u{202e}" in out
    assert "[bold]laptop[/]\\u{1b}[2J" in out
    assert "None" not in out
    assert "[]" not in out


@pytest.mark.parametrize("columns", [100, 80])
def test_status_and_sessions_cut_nothing(home, run_cli, monkeypatch, columns):
    monkeypatch.setattr(printing, "PIPE_COLUMNS", columns)
    for command in (("status",), ("sessions", "list"), ("factors", "list")):
        code, out, _ = run_cli("laptop", *command)
        assert code == 0
        assert "…" not in out


def test_a_usage_error_shows_a_path_safely(home, run_cli, tmp_path):
    code, out, said = run_cli("laptop", "put", tmp_path / "a\x1b[2J\nError: none")
    assert (code, out) == (2, "")
    assert "\x1b" not in said
    assert "\\u{1b}[2J\\u{a}Error: none is not there" in said


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_errors_have_no_colours_where_none_are_wanted(monkeypatch, capsys, variable, value):
    import sys

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    report_error(Cli(), SolekeyError("what happened"))
    assert "\x1b[" in capsys.readouterr().err  # control
    monkeypatch.setenv(variable, value)
    report_error(Cli(), SolekeyError("what happened"))
    assert "\x1b[" not in capsys.readouterr().err


def _key_file(world) -> Path:
    path = world.folder / "words"
    path.write_text(world.phrase)
    return path
