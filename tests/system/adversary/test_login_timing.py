"""Does the time of an answer tell whether a user name exists? Statistics: see sign_test.py.

Stated: while the median difference is at most MARGIN_S, the test fails with a probability of at most
1e-6. A delay of DETECTABLE_S[i] on one side is found with a probability of at least 1 - 2e-6, unless the
machine becomes noisier than it was in the pilot; i is the first for which MOST_PAIRS are enough in that
noise. The positive control puts this very delay into the answers for the known name, and must be found.
Timed is the service as it stands behind the HTTP server, on SQLite. What is measured is the processor time
of the answer's thread, so that other work on the machine does not decide anything. What an answer waits for
beside the processor is its statements and commits: they are compared one by one, which needs no clock.

A known name is asked for from a device that its account does not know, as a stranger does: who holds a
device key of the account is counted in a bucket of its own and answered 0.7 ms sooner, but knows the
name already.
"""

import gc
import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from solekey_eventlog.bus import derive_topics, open_bus
from solekey_service.http import Response
from tests.support.actors import Actor
from tests.support.kernels import Rig
from tests.support.keys import Key
from tests.support.people.person import Desk, Person
from tests.system.adversary.sign_test import (
    BETA,
    choose_pairs,
    critical_count,
    derive_lower_bound,
    derive_power,
    derive_tail,
    judge,
)

MARGIN_S = 0.2e-3
DETECTABLE_S = (0.5e-3, 1e-3, 2e-3, 5e-3)
PILOT_PAIRS = 300
MOST_PAIRS = 1000
_A_DAY_S = 86400.0

Ask = Callable[[], float]
"""Ask once; the seconds that the answer took."""


class Stopwatch(Desk):
    """A desk that times the last answer; ``delay_s`` is added to it, by work and not by sleep."""

    took_s = 0.0
    delay_s = 0.0

    def ask(self, method: Callable[..., Response], document: Any = None, *path: str, **of: Any) -> Response:
        started_s = time.thread_time()
        answer = super().ask(method, document, *path, **of)
        until_s = time.thread_time() + self.delay_s
        while self.delay_s and time.thread_time() < until_s:
            pass
        self.took_s = time.thread_time() - started_s
        return answer


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Stopwatch]:
    bus = open_bus(f"embedded://{tmp_path / 'bus.db'}")
    bus.create_topics(derive_topics())
    rig = Rig(bus, lambda service: f"sqlite:///{tmp_path / service.stream.value}.db")
    yield Stopwatch.open(rig)
    rig.close()


@pytest.fixture
def ana(desk: Stopwatch) -> Person:
    person = Person()
    assert desk.register(person).status == 201
    session = json.loads(desk.log_in(person).body)["session"]
    caller = desk.as_caller(person, session)
    assert desk.ask(desk.api.factors.post_recovery_codes, {}, caller=caller).status == 201
    return person.with_(login_key=Key("a guess"), actor=Actor("eve", "her own laptop"))


def log_in(desk: Stopwatch, person: Person) -> Ask:
    def ask() -> float:
        assert desk.log_in(person, code="123456").status == 401
        return desk.took_s

    return ask


def use_recovery_code(desk: Stopwatch, person: Person) -> Ask:
    """The known name has ten of them, all compared; the other one none."""

    def ask() -> float:
        assert desk.log_in(person, code={"kind": "recovery_code", "code": "abcde-fgh23"}).status == 401
        return desk.took_s

    return ask


def get_challenge(desk: Stopwatch, person: Person) -> Ask:
    def ask() -> float:
        assert desk.challenge(person.username)
        return desk.took_s

    return ask


@contextmanager
def recorded(desk: Stopwatch) -> Iterator[list[str]]:
    """Record the statements and commits of the service."""
    engine, said = desk.api.kernel.engine, list[str]()

    def note_statement(_c: object, _d: object, statement: str, *_: object) -> None:
        said.append(statement)

    def note_commit(_: object) -> None:
        said.append("COMMIT")

    event.listen(engine, "before_cursor_execute", note_statement)
    event.listen(engine, "commit", note_commit)
    try:
        yield said
    finally:
        event.remove(engine, "before_cursor_execute", note_statement)
        event.remove(engine, "commit", note_commit)


@pytest.mark.parametrize("way", [log_in, use_recovery_code, get_challenge])
def test_the_database_is_asked_the_same_for_a_name_that_nobody_has(
    desk: Stopwatch, ana: Person, way: Callable[[Stopwatch, Person], Ask]
) -> None:
    said = []
    for person in (ana, ana.with_(username="abe@example.org")):
        desk.rig.clock.advance(_A_DAY_S)
        with recorded(desk) as statements:
            way(desk, person)()
        said.append(statements)
    known, unknown = said
    assert "COMMIT" in known
    assert len(known) > 5  # positive control: they are heard
    assert known == unknown


def with_delay(desk: Stopwatch, ask: Ask, delay_s: float) -> Ask:
    def late() -> float:
        desk.delay_s = delay_s
        try:
            return ask()
        finally:
            desk.delay_s = 0.0

    return late


def measure(desk: Stopwatch, pairs: int, *asks: Ask) -> list[list[float]]:
    """Ask all in random order, again and again; a day lies between, so that no brake is ever near."""
    shuffle = random.Random(20261124).shuffle  # noqa: S311 - no secret
    times: list[list[float]] = [[] for _ in asks]
    with quiet():
        for number in range(pairs):
            desk.rig.clock.advance(_A_DAY_S)
            if number % 50 == 0:
                desk.api.timers.purge()
            order = list(range(len(asks)))
            shuffle(order)
            for index in order:
                times[index].append(asks[index]())
    return times


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Python's own collector out of what is timed."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def subtract(ours: list[float], theirs: list[float]) -> list[float]:
    return [one - other for one, other in zip(ours, theirs, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("way", [log_in, use_recovery_code, get_challenge])
def test_the_time_of_an_answer_does_not_tell_who_exists(
    desk: Stopwatch,
    ana: Person,
    way: Callable[[Stopwatch, Person], Ask],
    record_property: Callable[[str, object], None],
) -> None:
    known, unknown = way(desk, ana), way(desk, ana.with_(username="abe@example.org"))
    pilot = subtract(*measure(desk, PILOT_PAIRS, known, unknown))
    delay_s, pairs = choose_delay(pilot)
    record_property("detectable_s", delay_s)
    record_property("pairs", pairs)

    times = measure(desk, pairs, known, unknown, with_delay(desk, known, delay_s))
    real, control = subtract(times[0], times[1]), subtract(times[2], times[1])
    print(f"{way.__name__}: {delay_s * 1e3} ms in {pairs} pairs; {judge(real, MARGIN_S)}")
    assert judge(control, MARGIN_S).is_finding, (delay_s, judge(control, MARGIN_S))
    assert not judge(real, MARGIN_S).is_finding, judge(real, MARGIN_S)


def choose_delay(pilot: list[float]) -> tuple[float, int]:
    """Choose the shortest delay that is sure to be found in the pilot's noise, and the pairs for it."""
    for delay_s in DETECTABLE_S:
        beyond = sum(each + delay_s > MARGIN_S for each in pilot)
        pairs = choose_pairs(derive_lower_bound(beyond, len(pilot)), MOST_PAIRS)
        if pairs is not None:
            return delay_s, pairs
    raise AssertionError("this machine is too noisy to promise anything below 5 ms")


def test_the_tails_are_those_of_the_binomial_distribution() -> None:
    assert derive_tail(10, 0.5, 10) == pytest.approx(1 / 1024)
    assert derive_tail(10, 0.5, 6) == pytest.approx(386 / 1024)
    assert derive_tail(4, 0.25, 2) == pytest.approx(67 / 256)
    assert critical_count(10, alpha=2 * 386 / 1024 + 1e-9) == 6
    assert critical_count(1000) == 578
    assert derive_tail(1000, 0.5, 578) <= 5e-7 < derive_tail(1000, 0.5, 577)


def test_power_grows_with_the_share_and_with_the_pairs() -> None:
    assert choose_pairs(0.5, MOST_PAIRS) is None
    assert choose_pairs(0.99, MOST_PAIRS) == 100
    pairs = choose_pairs(0.7, MOST_PAIRS)
    assert pairs is not None
    assert derive_power(pairs, 0.7) >= 1 - BETA > derive_power(pairs - 100, 0.7)
    assert derive_lower_bound(PILOT_PAIRS, PILOT_PAIRS) > 0.8


def test_it_finds_a_shift_and_nothing_in_pure_noise() -> None:
    """With drawn numbers: 200 samples of noise, and the same noise shifted by twice its spread."""
    draw = random.Random(7).gauss  # noqa: S311 - no secret
    for _ in range(200):
        noise = [draw(0.0, 1.0) for _ in range(300)]
        assert not judge(noise, 0.2).is_finding
        assert judge([each + 2.0 for each in noise], 0.2).is_finding
        assert judge([each - 2.0 for each in noise], 0.2).is_finding
