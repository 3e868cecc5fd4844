"""Ana at the auth service with a security key in her hand: on SQLite and on PostgreSQL."""

import pytest

from tests.support.passkeys.desk import KeyRing
from tests.support.people.person import Desk, Person


@pytest.fixture
def desk(rig):
    return Desk.open(rig)


@pytest.fixture
def ana(desk):
    """Registered and logged in once, with a code; the next step of her authenticator has come since."""
    return sign_up(desk, Person())


@pytest.fixture
def ben(desk):
    return sign_up(desk, Person("ben"))


def sign_up(desk, person):
    assert desk.register(person).status == 201
    keys = KeyRing(desk, person)
    assert desk.log_in(person).status == 201
    desk.rig.clock.advance(30)
    keys.open_session()
    return keys
