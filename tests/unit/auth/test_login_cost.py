"""What a registration, a challenge and a login cost the database: counted, not timed.

Admission (a proof that is noted) comes on top: `tests/unit/service/access/test_admission_cost.py`.
"""

import pytest

from tests.support.people.person import Desk, Person
from tests.support.traffic import Traffic, recording

LOG_IN_AGAIN = 13
REGISTER = 11
CHALLENGE = 4


@pytest.fixture
def returning(desk: Desk, ana: Person) -> Person:
    """Has logged in from this device before."""
    assert desk.log_in(ana).status == 201
    desk.rig.clock.advance(30)
    return ana


def require(traffic: Traffic, most: int) -> None:
    """One transaction that is committed, of so many statements at most."""
    assert traffic.committed == 1
    assert len(traffic.queries) <= most, "\n".join(traffic.queries)


def test_a_registration_is_one_transaction(desk: Desk) -> None:
    with recording(desk.api.kernel.engine) as traffic:
        assert desk.register(Person()).status == 201
    assert traffic.begun == 1
    require(traffic, REGISTER)


def test_a_registration_that_is_refused_stays_counted(desk: Desk, ana: Person) -> None:
    with recording(desk.api.kernel.engine) as traffic:
        assert desk.register(Person("ben").with_(username=ana.username)).status == 409
    assert traffic.begun == traffic.committed == 1
    assert traffic.verbs[:2] == ["INSERT", "UPDATE"]  # its bucket
    assert not {"INSERT", "UPDATE", "DELETE"}.intersection(traffic.verbs[2:])


def test_a_challenge_is_one_transaction(desk: Desk, returning: Person) -> None:
    with recording(desk.api.kernel.engine) as traffic:
        desk.challenge(returning.username)
    assert traffic.begun == 1
    require(traffic, CHALLENGE)


def test_a_login_is_one_transaction_and_knows_what_the_last_one_has_followed(
    desk: Desk, returning: Person
) -> None:
    challenge = desk.challenge(returning.username)
    with recording(desk.api.kernel.engine) as traffic:
        assert desk.log_in(returning, challenge=challenge).status == 201
    require(traffic, LOG_IN_AGAIN)
    (_keys,) = [each for each in traffic.queries if each.startswith("SELECT") and ".raw" in each]
    assert traffic.begun == 2  # the other one reads those: which key signs the tokens
