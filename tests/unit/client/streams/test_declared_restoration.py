"""A server that went back and says that it was restored: refused all the same, and its word is kept."""

import json

import pytest

from solekey.errors import HistoryForkError, RollbackError
from solekey_protocol.events import Stream
from tests.support.client.fake_parts import answer, problem

EARLY, LATE = "2020-01-01T00:00:00.000Z", "2099-01-01T00:00:00.000Z"
SAID = "declares that its operator restored it"


@pytest.fixture
def declare(home):
    """The services answer so when they are asked for their health."""
    home.unlock("laptop").put("notes", "x")

    def run(health):
        def tamper(request, response):
            return health if request.url.path.endswith("/health") else response

        home.server.tamper = tamper

    return run


def restored(*pairs):
    return answer({"restored": [{"as_of": as_of, "at": at} for as_of, at in pairs]})


def go_back(home, stream=Stream.VAULT):
    """Sync with a server that has lost a record; return what the user is told, and what is kept of it."""
    del home.account.events[stream][-1]
    with pytest.raises(RollbackError) as refusal:
        home.reopen("laptop").sync()
    evidence = json.loads((home.folder / "laptop" / "rollback-evidence.json").read_bytes())
    return str(refusal.value), evidence["declared"]


def test_a_declaration_that_explains_it_is_told_and_kept(home, declare):
    declare(restored((EARLY, LATE)))
    said, declared = go_back(home)
    assert SAID in said
    assert EARLY in said
    assert declared == [{"as_of": EARLY, "at": LATE}]
    with pytest.raises(RollbackError):  # nothing was given up for it
        home.reopen("laptop").sync()


def test_one_of_a_later_moment_explains_nothing(home, declare):
    declare(restored((LATE, LATE)))
    said, declared = go_back(home)
    assert SAID not in said
    assert declared == [{"as_of": LATE, "at": LATE}]


@pytest.mark.parametrize(
    "health",
    [
        answer({"restored": []}),
        answer({}),
        answer({"restored": "yesterday"}),
        answer({"restored": [{"as_of": "yesterday", "at": LATE}]}),
        answer({"restored": [{"as_of": EARLY, "at": LATE, "why": "x"}]}),
        answer({"restored": [{"as_of": EARLY, "at": LATE}] * 11}),
        problem(404, "not_found"),
    ],
)
def test_what_declares_nothing_is_nothing(home, declare, health):
    declare(health)
    said, declared = go_back(home)
    assert SAID not in said
    assert declared == []


def test_a_fork_is_told_in_the_same_way(home, declare):
    """A restored server goes on, and soon has another record at a place that this device has seen."""
    declare(restored((EARLY, LATE)))
    events = home.account.events[Stream.AUTH]
    events[-1] = events[-2]
    with pytest.raises(HistoryForkError, match=SAID):
        home.reopen("laptop").sync()
    evidence = json.loads((home.folder / "laptop" / "fork-evidence.json").read_bytes())
    assert evidence["declared"] == [{"as_of": EARLY, "at": LATE}]
