"""Each state that a person can get into has one command that leads out of it, and no flag is ever ignored."""

import ast
import contextlib
import inspect
import json
import textwrap

import click
import httpx
import pytest

from solekey import UserKey
from solekey.cli import solekey
from solekey_protocol.events import Stream
from tests.support.client.world import PASSWORD, USERNAME

WRONG_KEY = 5


def iter_commands(group: click.Group, path: str = "solekey"):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from iter_commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


@pytest.mark.parametrize(("path", "command"), list(iter_commands(solekey)), ids=lambda each: str(each)[:40])
def test_no_command_leaves_one_of_its_flags_unread(path, command):
    """Every option is read by the command's body, or taken over by a callback of its own."""
    callback = inspect.unwrap(command.callback)
    tree = ast.parse(textwrap.dedent(inspect.getsource(callback)))
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for parameter in command.params:
        if parameter.expose_value:
            assert parameter.name in read, f"{path} ignores {parameter.opts[0]}"
        else:
            assert parameter.callback is not None, f"{path} ignores {parameter.opts[0]}"


class Interrupted(BaseException):
    """Ctrl-C, or the power is gone."""


def die_at(home, nth: int, path: str):
    """Let the program die after the nth answer to such a request."""
    seen = 0

    def tamper(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        nonlocal seen
        seen += request.url.path.endswith(path)
        if seen == nth:
            raise Interrupted
        return response

    home.server.tamper = tamper


def new_words() -> str:
    with UserKey.make() as key:
        return key.to_phrase()


@pytest.mark.parametrize("nth", range(1, 12))
def test_a_revocation_that_died_anywhere_is_run_again(home, run_cli, nth):
    phone = home.add_device("phone")
    home.unlock("laptop").put("note", "kept")
    words = new_words()
    command = (
        "devices", "revoke", phone.devices.own_id, "--user-key", home.phrase, "--new-user-key", words,
        "--yes", "--code", home.server.code(),
    )  # fmt: skip
    die_at(home, nth, "/statements")
    try:
        died = run_cli("laptop", *command)[0] != 0
    except Interrupted:
        died = True
    home.server.be_honest()
    home.server.now = home.server.now.replace(second=0, microsecond=0)
    code, _, said = run_cli("laptop", *command)
    assert code == 0, said
    assert run_cli("laptop", "get", "note", "--user-key", words)[1] == "kept"
    assert run_cli("laptop", "list", "--user-key", home.phrase)[0] == WRONG_KEY
    assert died or nth > 9  # the control: most of these runs were interrupted


@pytest.mark.parametrize("nth", range(1, 7))
@pytest.mark.parametrize("what", ["user-key", "data-key"])
def test_a_rotation_that_was_interrupted_is_run_again(home, run_cli, what, nth):
    home.unlock("laptop").put("note", "kept")
    words = new_words()
    command = ["rotate", what, "--user-key", home.phrase, "--code", home.server.code()]
    command += ["--new-user-key", words] if what == "user-key" else []
    die_at(home, nth, "/statements")
    with contextlib.suppress(Interrupted):
        run_cli("laptop", *command)
    home.server.be_honest()
    code, _, said = run_cli("laptop", *command)
    assert code == 0, said
    present = words if what == "user-key" else home.phrase
    assert run_cli("laptop", "get", "note", "--user-key", present)[1] == "kept"
    status = json.loads(run_cli("laptop", "rotate", "status", "--json")[1])
    assert status["open"] is None
    assert status["completed"] <= 2


def test_another_rotation_that_is_open_is_named_with_its_ways_out(home, run_cli):
    die_at(home, 1, "/rotation/statements")
    with pytest.raises(Interrupted):
        run_cli("laptop", "rotate", "user-key", "--user-key", home.phrase, "--new-user-key", new_words(),
                "--code", home.server.code())  # fmt: skip
    home.server.be_honest()
    for again in (("user-key", "--new-user-key", new_words()), ("data-key",)):
        code, _, said = run_cli("laptop", "rotate", *again, "--user-key", home.phrase)
        assert code == 1
        assert "rotate resume" in said
        assert "rotate abort" in said
    assert run_cli("laptop", "rotate", "abort", "--user-key", home.phrase)[0] == 0


def refuse(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    raise httpx.ConnectError("nobody is there")


def fork(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    if request.url.path.endswith("/events") and request.url.params["after"] != "0":
        return httpx.Response(200, content=b"{}\n")
    return response


@pytest.mark.parametrize("trouble", [refuse, fork])
def test_events_are_exported_without_the_server(home, run_cli, tmp_path, trouble):
    kept = [event.raw for stream in Stream for event in home.sessions["laptop"].streams.events(stream)]
    home.unlock("laptop").put("later", "x")
    home.server.tamper = trouble
    output = tmp_path / "events.jsonl"
    code, out, said = run_cli("laptop", "events", "export", "-o", output, "--json")
    assert code == 0, said
    assert json.loads(out)["not_synced"]
    assert set(kept) <= set(output.read_bytes().splitlines())


def test_events_are_exported_after_logging_out(home, run_cli, tmp_path):
    assert run_cli("laptop", "logout")[0] == 0
    code, _, said = run_cli("laptop", "events", "export", "-o", tmp_path / "events.jsonl")
    assert (code, "not_logged_in" in said) == (0, True)


def test_logging_out_needs_no_server(home, run_cli):
    home.server.tamper = refuse
    code, out, said = run_cli("laptop", "logout")
    assert (code, "Logged out" in out, "server_unreachable" in said) == (0, True, True)
    assert not (home.folder / "laptop" / "session.json").exists()


def test_somebody_else_is_not_logged_in(home, run_cli):
    arguments = ("login", "--password", PASSWORD, "--code", home.server.code())
    code, _, said = run_cli("laptop", *arguments, "--username", "somebody")
    assert (code, "profile_exists" in said, "--profile NAME" in said) == (1, True, True)
    assert run_cli("laptop", *arguments, "--username", USERNAME.upper())[0] == 0  # the same name


@pytest.mark.parametrize(
    "arguments",
    [
        ("put", "--text", "x", "--name", "y", "--restart"),
        ("recovery", "split", "-k", "2", "-n", "3", "--letter"),
        ("recovery", "combine", "--letter"),
        ("login", "--device-name", "another"),
        ("login", "--device-key", "keyring:"),
        ("signup", "--username", "somebody", "--accept-risk"),
    ],
)
def test_a_flag_that_could_do_nothing_is_refused(home, run_cli, arguments):
    more = (
        ("--password", PASSWORD, "--code", home.server.code()) if arguments[0] in {"login", "signup"} else ()
    )
    code, _, said = run_cli("laptop", *arguments, *more)
    assert code in {1, 2}, said
