"""Proofs are remembered for as long as their age does not refuse them, and never too many of them."""

from datetime import UTC, datetime, timedelta

import pytest

from solekey_eventlog.errors import UnavailableError
from solekey_protocol.ids import PublicKey
from solekey_service.access.seen_proofs import KEPT_FOR, SeenProofs
from solekey_service.http.caller import DpopProof
from solekey_service.refusals import DpopInvalid

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def proof(number: int, thumbprint: str = "laptop") -> DpopProof:
    return DpopProof(PublicKey("58" + "66" * 31), thumbprint, f"proof-{number}", NOW, None)


def test_a_proof_is_good_once():
    seen = SeenProofs()
    seen.add(proof(1), NOW)
    with pytest.raises(DpopInvalid):
        seen.add(proof(1), NOW + KEPT_FOR)
    seen.add(proof(1, "phone"), NOW)
    seen.add(proof(2), NOW)


def test_what_is_old_is_forgotten():
    seen = SeenProofs()
    for number in range(10):
        seen.add(proof(number), NOW)
    seen.add(proof(10), NOW + KEPT_FOR + timedelta(seconds=1))
    assert len(seen) == 1


def test_a_flood_is_refused_and_forgets_nothing():
    seen = SeenProofs(max_proofs=2)
    seen.add(proof(1), NOW)
    seen.add(proof(2), NOW)
    with pytest.raises(UnavailableError):
        seen.add(proof(3), NOW)
    with pytest.raises(DpopInvalid):
        seen.add(proof(1), NOW)
