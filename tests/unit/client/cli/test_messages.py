"""What a person reads when something is refused: what happened, what to do; never which part was wrong."""

import inspect
import json
import re

import pytest

from solekey import Action, errors
from solekey.cli.advice import advise
from solekey.cli.exit_codes import report_error
from solekey.cli.profile_names import repeat_profile
from solekey.cli.state import Cli
from solekey.errors import ServerRefusedError, SolekeyError, refusals
from tests.support.client.fake_parts import problem
from tests.support.client.fake_server import ORIGIN
from tests.support.client.world import PASSWORD, USERNAME
from tests.support.repository import ROOT
from tests.support.scripts import load_script

GENERATOR = ROOT / "docs" / "generate_error_reference.py"

# Codes of requests that no correct client sends: whoever meets them has a bug, or releases that do not fit.
WRONG_REQUESTS = {
    "commit_mismatch", "conflict", "digest_mismatch", "forbidden", "length_required", "malformed",
    "method_not_allowed", "range_not_satisfiable", "schema_violation", "signature_invalid", "too_large",
    "unauthenticated", "unprocessable", "unsupported_format", "unsupported_media_type", "wrap_mismatch",
}  # fmt: skip
# How advice begins: with what to do, or with what can be said for the person's relief.
ACTIONS = (
    "Add", "Another device revoked this one: if", "Check", "Choose", "Log in", "List", "Prove", "Remove",
    "Run", "Set", "Tell the operator", "This security key has already been added: use",
    "This server is reached by an IP address", "Trust", "Try again", "Update the client", "Wait",
)  # fmt: skip


def read_codes():
    return load_script(GENERATOR).read_server_codes()


CODES = read_codes()
REFUSALS = [
    kind for kind in vars(refusals).values() if inspect.isclass(kind) and issubclass(kind, SolekeyError)
]


@pytest.mark.parametrize("code", CODES)
def test_every_refusal_of_the_server_says_what_to_do(code):
    refusal = ServerRefusedError.build(400, {"code": code, "title": "what happened"})
    advice = refusal.diagnostics()
    assert str(refusal) == "what happened"
    assert advice.startswith(ACTIONS), advice
    assert re.search(r"[.?]$", advice), advice
    assert (type(refusal) is ServerRefusedError) == (code in WRONG_REQUESTS)


def test_the_list_of_wrong_requests_holds_nothing_that_no_server_says():
    assert set(CODES) >= WRONG_REQUESTS


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
def test_no_advice_says_which_part_of_a_login_was_wrong(kind):
    advice = kind.ADVICE.lower()
    assert not re.search(r"(password|user name|code|account) (was|is) (wrong|unknown|not)", advice)
    if issubclass(kind, refusals.LoginRefusedError) and kind is not refusals.FactorRefusedError:
        assert all(part in advice for part in ("user name", "password", "code"))


def test_the_command_prints_message_code_and_advice(home, run_cli):
    assert len(CODES) > 50
    for code in CODES:
        home.server.tamper = lambda *_, code=code: problem(503 if code == "unavailable" else 418, code)
        exit_code, out, said = run_cli("laptop", "sessions", "list")
        assert exit_code not in {0, 2}, code
        assert out == "", code
        assert f"[{code}]" in said
        advice = advise(ServerRefusedError.build(400, {"code": code}))
        assert repeat_profile(advice, str(home.folder / "laptop")) in said, code
        exit_again, _, said = run_cli("laptop", "sessions", "list", "--json")
        document = json.loads(said)["error"]
        assert (document["code"], exit_again) == (code, exit_code)
        assert document["message"], code
        assert document["next"], code


def test_what_a_server_says_does_nothing_to_the_terminal(home, run_cli):
    home.server.tamper = lambda *_: problem(409, "x]\x1b[2J", {"detail": "\x1b[31mYou won\nError: none"})
    _, _, said = run_cli("laptop", "sessions", "list")
    assert "\x1b" not in said
    assert said.count("\n") == 2
    assert "[http_error]" in said


@pytest.mark.parametrize("password", [PASSWORD, "wrong"], ids=["right password", "wrong password"])
@pytest.mark.parametrize("username", [USERNAME, "nobody@example.org"])
@pytest.mark.parametrize("right_code", [True, False], ids=["right code", "wrong code"])
def test_a_refused_login_reads_the_same_whatever_was_wrong(home, run_cli, password, username, right_code):
    home.server.accounts["nobody@example.org"] = home.server.accounts[USERNAME]  # a decoy: in the same shape
    code = home.server.code() if right_code else "000000"
    if username != USERNAME:
        home.server.tamper = lambda request, response: (
            problem(401, "login_refused") if request.url.path.endswith("/sessions") else response
        )
    elif (password, right_code) == (PASSWORD, True):
        return  # nothing is wrong
    exit_code, out, said = run_cli(
        "phone", "login", "--server", ORIGIN, "--username", username, "--password", password, "--code", code
    )
    assert (exit_code, out) == (4, "")
    said = said.partition("Warning: --password:")[0]  # the tests name it on the command line
    advice = advise(refusals.LoginRefusedError("login_refused", 401, {}))
    assert "--recovery-code" in advice
    assert said == f"Error: login_refused [login_refused]\n{advice}\n"


def test_a_refused_step_up_speaks_of_the_second_factor_only(home):
    with pytest.raises(refusals.FactorRefusedError) as refusal:
        home.sessions["laptop"].step_up("000000")
    assert refusal.value.code == "login_refused"
    assert "password" not in refusal.value.diagnostics()
    assert "next authenticator code" in refusal.value.diagnostics()


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_of_the_client_can_be_reported(name, capsys):
    kind = getattr(errors, name)
    if not (inspect.isclass(kind) and issubclass(kind, SolekeyError)):
        return
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    made = kind("what happened") if parameters[0].kind is inspect.Parameter.VAR_POSITIONAL else None
    if made is None:
        return  # its message is its own: tests of its module
    assert report_error(Cli(), made) in range(1, 11)
    said = capsys.readouterr().err
    assert said.startswith("Error: what happened [")
    assert len(said.splitlines()) == 2


ALL_ERRORS = [
    kind
    for name in errors.__all__
    if inspect.isclass(kind := getattr(errors, name)) and issubclass(kind, SolekeyError)
]


@pytest.mark.parametrize("kind", ALL_ERRORS, ids=lambda kind: kind.__name__)
def test_the_library_names_no_command_and_no_flag(kind):
    """An app shows the advice to people who have never seen the command."""
    assert not re.search(r"`solekey |(^| |\()--[a-z]|SOLEKEY_|same command", kind.ADVICE), kind.ADVICE
    assert isinstance(kind.action, Action)


@pytest.mark.parametrize("code", CODES)
def test_the_advice_on_a_code_of_the_server_names_no_command(code):
    advice = ServerRefusedError.build(400, {"code": code}).diagnostics()
    assert not re.search(r"`solekey |(^| |\()--[a-z]", advice)


def test_the_command_words_it_with_its_own_commands():
    assert advise(errors.NotLoggedInError("x")) == "Log in: `solekey login`."
    assert advise(errors.ItemMissingError("x")) == "Run `solekey list` to see what there is."
    assert "another user key" not in advise(errors.WeakPasswordError("x"))
    assert advise(errors.WeakPasswordError("x")) == errors.WeakPasswordError.ADVICE


def test_a_program_may_decide_by_the_action():
    refusal = ServerRefusedError.build(401, {"code": "session_ended"})
    assert refusal.action is Action.LOG_IN
    assert errors.NotLoggedInError("x").action is Action.LOG_IN
    assert errors.ForgedEventError("x").action is Action.STOP
    assert errors.AccountLockedError("x").action is Action.UNLOCK
