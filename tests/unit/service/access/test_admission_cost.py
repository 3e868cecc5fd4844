"""What it costs the database to admit a request: counted, not timed."""

from typing import Any

import pytest
from sqlalchemy import event

from solekey_protocol.events import auth
from solekey_protocol.ids import SYSTEM_ACCOUNT
from solekey_service.access import Access, Guard
from solekey_service.http import Request
from solekey_service.refusals import DpopInvalid, TokenInvalid
from tests.support.kernels import Rig
from tests.support.traffic import recording
from tests.unit.service.access.test_guard import Gate


@pytest.fixture
def gate(rig: Rig) -> Gate:
    gate = Gate(rig)
    gate.open(gate.laptop)
    gate.guard.admit(gate.request(gate.laptop, method="GET"), Access.TRUSTED)  # folds are cached
    return gate


def test_a_read_is_admitted_by_one_query_in_one_transaction_that_writes_nothing(gate: Gate) -> None:
    request = gate.request(gate.laptop, method="GET", after="devices=1, vault=0")
    with recording(gate.vault.engine) as traffic:
        gate.guard.admit(request, Access.TRUSTED)
    assert (traffic.begun, traffic.committed) == (1, 0)
    (query,) = traffic.queries
    assert query.startswith("SELECT")


def test_a_write_is_admitted_by_one_query_and_one_note_in_one_transaction(gate: Gate) -> None:
    with recording(gate.vault.engine) as traffic:
        gate.guard.admit(gate.request(gate.laptop), Access.TRUSTED)
    assert (traffic.begun, traffic.committed) == (1, 1)
    assert [each.split()[0] for each in traffic.queries] == ["SELECT", "INSERT"]


def test_its_confirmation_takes_one_query(gate: Gate) -> None:
    admitted = gate.guard.admit(gate.request(gate.laptop), Access.TRUSTED)
    with recording(gate.vault.engine) as traffic:
        gate.guard.confirm(admitted, Access.TRUSTED)
    assert (traffic.begun, len(traffic.queries)) == (1, 1)


def test_the_proof_of_a_read_is_good_once_in_a_process(gate: Gate) -> None:
    request = gate.request(gate.laptop, method="GET")
    gate.guard.admit(request, Access.TRUSTED)
    with pytest.raises(DpopInvalid, match="used before"):
        gate.guard.admit(request, Access.TRUSTED)
    assert Guard(gate.vault).admit(request, Access.TRUSTED)  # what a restart forgets: tokens.md §5


def test_the_proof_of_a_write_is_good_once_in_all_processes(gate: Gate) -> None:
    request = gate.request(gate.laptop)
    gate.guard.admit(request, Access.TRUSTED)
    with pytest.raises(DpopInvalid, match="used before"):
        Guard(gate.vault).admit(request, Access.TRUSTED)


def test_a_signing_key_that_is_withdrawn_ends_its_tokens_at_once(gate: Gate) -> None:
    first: Request = gate.request(gate.laptop, method="GET")
    assert gate.guard.admit(first, Access.TRUSTED)
    with gate.auth.store.read() as uow:
        (published,) = (each.body for each in uow.events(SYSTEM_ACCOUNT))
    gate.tell(SYSTEM_ACCOUNT, auth.SigningKeyWithdrawn(published.key_id))
    gate.sync()
    with pytest.raises(TokenInvalid):
        gate.guard.admit(gate.request(gate.laptop, method="GET"), Access.TRUSTED)


def test_no_request_waits_for_a_second_connection(gate: Gate) -> None:
    """As many requests as there are connections would wait for each other: 30 s, until the pool gives up."""
    device, held, most = gate.laptop, 0, []

    def check_out(*_: Any) -> None:
        nonlocal held
        held += 1
        most.append(held)

    def check_in(*_: Any) -> None:
        nonlocal held
        held -= 1

    gate.rig.clock.advance(gate.vault.config.freshness_s * 0.6)  # so old that what is applied is read again
    listeners = {"checkout": check_out, "checkin": check_in}
    for name, listener in listeners.items():
        event.listen(gate.vault.engine, name, listener)
    try:
        admitted = gate.guard.admit(gate.request(device), Access.TRUSTED)
        gate.guard.confirm(admitted, Access.TRUSTED)
        gate.guard.admit(gate.request(device, method="GET"), Access.TRUSTED)
    finally:
        for name, listener in listeners.items():
            event.remove(gate.vault.engine, name, listener)
    assert most == [1, 1, 1]
