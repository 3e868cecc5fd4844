"""What the upload of a small object costs the database: counted, not timed."""

from solekey_protocol.ids import compute_digest
from tests.support.traffic import recording
from tests.unit.vault.test_objects import ANA, place

__all__ = ["place"]


def test_a_small_object_is_three_statements_in_one_transaction(place):
    place.put(b"the first of the account")
    body = b"another"
    with recording(place.kernel.engine) as traffic:
        assert place.objects.put(ANA, {compute_digest(body): body}) == 1
    assert traffic.begun == traffic.committed == 1
    assert traffic.verbs == ["INSERT", "INSERT", "INSERT"]  # its row, the account's usage, its bytes
    assert place.get(body) == body


def test_one_that_is_known_is_kept_for_longer_and_stored_no_second_time(place):
    body = b"sent again"
    place.put(body)
    with recording(place.kernel.engine) as traffic:
        assert place.objects.put(ANA, {compute_digest(body): body}) == 0
    assert traffic.begun == traffic.committed == 1
    assert traffic.verbs == ["INSERT", "UPDATE"]
