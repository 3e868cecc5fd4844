"""What was written while the server's clock was a week ahead refuses nobody once the clock is right again."""

from datetime import timedelta

import pytest

from solekey_auth.rate_limits.limit import LOGIN_STRANGER
from tests.support.people.person import Person, code_of
from tests.unit.auth.rate_limits.test_limiter import BRAKED, REFUSED, Stranger

AHEAD = timedelta(days=7)


@pytest.fixture
def ahead(desk):
    """Give a function that sets the clock ahead, and one that corrects it."""
    right = desk.rig.clock.now()

    def correct(after_s=60):
        desk.rig.clock.set_wall(right + timedelta(seconds=after_s))

    desk.rig.clock.set_wall(right + AHEAD)
    return correct


def test_a_code_is_taken_after_logins_of_the_future(desk, ahead):
    ana = Person()
    assert desk.register(ana).status == 201
    assert desk.log_in(ana).status == 201
    ahead()
    assert desk.log_in(ana).status == 201
    assert code_of(desk.log_in(ana)) == REFUSED  # once, as ever
    desk.rig.clock.advance(30)
    assert desk.log_in(ana).status == 201


def test_a_correction_of_seconds_makes_no_code_good_twice(desk, ana):
    assert desk.log_in(ana, steps=1).status == 201
    desk.rig.clock.set_wall(desk.now - timedelta(seconds=55))
    assert code_of(desk.log_in(ana, steps=0)) == REFUSED


def test_waits_of_the_future_are_over(desk, ana, ahead):
    stranger = Stranger(ana)
    assert BRAKED in stranger.hammer(desk, LOGIN_STRANGER.free + 3)
    ahead()
    assert stranger.hammer(desk, 2) == [REFUSED, BRAKED]  # one, and then the wait that is due


def test_a_name_that_was_registered_in_the_future_is_free(desk, ahead):
    squatter, ana = Person("eve").with_(username="ana@example.org"), Person()
    assert desk.register(squatter).status == 201
    assert code_of(desk.register(ana)) == "409 username_taken"  # positive control
    ahead()
    assert desk.register(ana).status == 201


def test_an_unproven_registration_of_the_future_is_purged(desk, ahead):
    assert desk.register(Person("eve")).status == 201
    ahead()
    desk.api.timers.purge()
    assert code_of(desk.register(Person("eve"))) == "201 None"


def test_challenges_and_sessions_go_on(desk, ahead):
    ana = Person()
    desk.register(ana)
    assert desk.log_in(ana).status == 201
    challenge = desk.challenge(ana.username)
    ahead()
    assert desk.log_in(ana, challenge=challenge).status == 201
    desk.rig.clock.advance(30)
    assert desk.log_in(ana).status == 201  # a token was signed: a signing key of the future does not matter
