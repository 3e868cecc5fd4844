"""A push that is killed anywhere, or whose request comes late, sends everything once."""

import httpx
import pytest

from solekey.errors import UnreachableError
from solekey.files.private_folder import PrivateFolder
from tests.unit.client.offline.kept import open_account
from tests.unit.client.offline.test_queue import push, queue_files, read_all, write

POINTS = ["sealed list", "statement", "answer", "first delete", "sent delete"]


class KilledError(Exception):
    """The client was killed here."""


def kill(home, monkeypatch, point):
    """Kill the client once, at a point of a push."""
    from solekey.offline import push as module
    from solekey.offline.queue import Queue

    def die(*_):
        monkeypatch.undo()
        raise KilledError

    def is_statement(request):
        return request.url.path == "/v1/vault/statements"

    if point == "sealed list":
        monkeypatch.setattr(module.Attempts, "note", die)
    elif point == "statement":
        home.server.before = lambda request: die() if is_statement(request) else None
    elif point == "answer":
        home.server.tamper = lambda request, response: die() if is_statement(request) else response
    elif point == "first delete":
        monkeypatch.setattr(Queue, "delete", die)
    else:
        real = PrivateFolder.delete
        monkeypatch.setattr(
            PrivateFolder, "delete", lambda self, name: die() if name == "queue/sent" else real(self, name)
        )


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("conflicts", [False, True], ids=["alone", "with conflicts"])
def test_a_push_that_was_killed_anywhere_is_finished_and_doubles_nothing(
    laptop, monkeypatch, point, conflicts
):
    write(laptop, ("notes", "second"), ("new", "one"), ("notes", "third"), remove=("other",))
    laptop.server.be_honest()
    expected = {"notes": "third", "new": "one"}
    if conflicts:
        phone = open_account(laptop, "phone")
        phone.items.put("notes", "theirs")
        phone.items.put("new", "theirs")
        phone.close()
        expected = {"notes": "theirs", "new": "theirs"} | {
            f"{name} (conflict, laptop)": text for name, text in expected.items()
        }
    kill(laptop, monkeypatch, point)
    with pytest.raises(KilledError):
        open_account(laptop)
    push(laptop)
    assert queue_files(laptop) == []
    assert read_all(laptop) == expected


def test_a_request_that_arrives_late_doubles_nothing(laptop):
    """The statement is held back, the client gives up and tries again; then the first one arrives first."""
    write(laptop, ("new", "one"))
    held = []

    def hold(request):
        if request.url.path == "/v1/vault/statements":
            if not held:
                held.append(request)
                raise httpx.ReadError("the answer is lost")
            if len(held) == 1:
                held.append(None)
                laptop.server._route(held[0])

    laptop.server.be_honest()
    stop_after_first(laptop, hold)
    with pytest.raises(UnreachableError):
        attempt(laptop)
    laptop.server.before = lambda request: late(laptop, held, request)
    account = open_account(laptop)
    account.queue.push()
    account.close()
    assert read_all(laptop)["new"] == "one"
    assert len(read_all(laptop)) == 3
    assert queue_files(laptop) == []


def stop_after_first(home, hold):
    def before(request):
        if request.url.path == "/v1/vault/statements":
            hold_once(hold, request)

    home.server.before = before


def hold_once(hold, request):
    hold(request)
    raise httpx.ReadError("the answer is lost")


def attempt(home):
    """Push without the goodwill of `unlock`, which would only tell that it has failed."""
    from solekey.account.session import Session

    with (
        Session.open(home.folder / "laptop", home.runtime) as session,
        session.unlock(home.key(), repairing=True) as vault,
    ):
        session.kept.push(vault.unlocked)


def late(home, held, request):
    """Let the held statement in just before the next one."""
    if request.url.path == "/v1/vault/statements" and held[-1] is not None:
        first = held[-1]
        held.append(None)
        home.server._route(first)
