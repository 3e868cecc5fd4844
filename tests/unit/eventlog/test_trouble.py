"""A failure that repeats itself is one line, until its cause changes or it is over."""

import logging

import pytest

from solekey_eventlog.trouble import Trouble

LOG = logging.getLogger("trouble")


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trouble(clock: Clock) -> Trouble:
    return Trouble(LOG, "the disk", monotonic=clock)


def find_lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.message) for record in caplog.records]


def test_a_cause_is_told_once(trouble: Trouble, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    trouble.end()
    for _ in range(1000):
        trouble.meet("full")
        clock.now_s += 0.1
    assert find_lines(caplog) == [("ERROR", "the disk: full")]


def test_another_cause_is_told_but_not_with_every_request(
    trouble: Trouble, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(100):
        trouble.meet(f"cause {number}")
        clock.now_s += 0.25
    assert [text for _, text in find_lines(caplog)] == [
        "the disk: cause 0",
        "the disk: cause 40",
        "the disk: cause 80",
    ]


def test_what_lasts_is_told_again(trouble: Trouble, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(700):
        trouble.meet("full")
        clock.now_s += 1
    assert len(find_lines(caplog)) == 2


def test_the_end_is_told_once_it_is_one(
    trouble: Trouble, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Small writes may go while large ones do not: what alternates is not over."""
    for _ in range(100):
        trouble.meet("full")
        clock.now_s += 1
        trouble.end()
    assert len(find_lines(caplog)) == 1
    clock.now_s += 10
    trouble.end()
    trouble.end()
    trouble.meet("full")
    assert find_lines(caplog)[1:] == [("WARNING", "the disk: it is over"), ("ERROR", "the disk: full")]
