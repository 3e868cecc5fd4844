"""A server restored from an older copy: named as what it is, on every command, with evidence."""

import json

import pytest

from solekey.errors import RollbackError, UnavailableError
from solekey_protocol.events import Stream
from tests.support.client.fake_parts import problem


@pytest.fixture
def busy(home):
    """The services wait for the positions that clients name, as the real ones do, and give up."""
    home.unlock("laptop").put("notes", "x")
    length = {stream: len(home.account.events[stream]) for stream in Stream}

    def wait(request, response):
        after = request.headers.get("Solekey-After", "")
        for part in filter(None, after.split(", ")):
            stream, _, seq = part.partition("=")
            if int(seq) > len(home.account.events[Stream(stream)]):
                return problem(503, "not_yet_applied")
        return response

    home.server.tamper = wait
    return length


@pytest.mark.parametrize("stream", [Stream.AUTH, Stream.DEVICES, Stream.VAULT])
@pytest.mark.parametrize("lost", [1, "all"])
def test_a_service_that_lacks_what_it_showed_was_rolled_back(home, busy, stream, lost):
    events = home.account.events[stream]
    del events[0 if lost == "all" else -1 :]
    for _ in range(2):  # on every command
        session = home.reopen("laptop")
        with pytest.raises(RollbackError) as refusal:
            session.sync()
        assert refusal.value.code == "rollback_detected"
        assert str(refusal.value).startswith(stream.value)
    evidence = json.loads((home.folder / "laptop" / "rollback-evidence.json").read_bytes())
    assert evidence["stream"] == stream.value
    assert evidence["pinned"]["seq"] == busy[stream]
    assert json.loads(evidence["last_record"])["seq"] == busy[stream]


@pytest.mark.parametrize(
    "command",
    [("list", "--user-key"), ("sessions", "list"), ("devices", "list"), ("status",), ("rotate", "status"),
     ("put", "--name", "x", "--text", "y", "--user-key"), ("get", "notes", "--user-key")],
    ids=lambda command: command[0],
)  # fmt: skip
def test_every_command_says_so_and_not_try_again(home, busy, run_cli, tmp_path, command):
    words = tmp_path / "words"
    words.write_text(home.phrase)
    arguments = (*command, f"@{words}") if command[-1] == "--user-key" else command
    for stream in Stream:
        del home.account.events[stream][-1:]
    code, _, said = run_cli("laptop", *arguments)
    assert code == 6, said
    assert "[rollback_detected]" in said
    assert "ry again" not in said


def test_control_a_service_that_is_only_late_is_busy(home, busy):
    home.server.tamper = lambda request, response: (
        problem(503, "not_yet_applied") if "Solekey-After" in request.headers else response
    )
    with pytest.raises(UnavailableError):
        home.reopen("laptop").sync()
    assert not (home.folder / "laptop" / "rollback-evidence.json").exists()
