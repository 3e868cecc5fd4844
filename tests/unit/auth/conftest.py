"""The auth service on SQLite and on PostgreSQL, and Ana in front of it."""

import pytest

from tests.support.people.person import Desk, Person, read


@pytest.fixture
def desk(rig):
    return Desk.open(rig)


@pytest.fixture
def ana(desk):
    """Registered; has not logged in yet."""
    person = Person()
    assert desk.register(person).status == 201
    return person


@pytest.fixture
def opened(desk, ana):
    """The answer to Ana's first login; the next step of her authenticator has come since."""
    response = desk.log_in(ana)
    assert response.status == 201, response.body
    desk.rig.clock.advance(30)
    return read(response)
