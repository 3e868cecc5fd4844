"""bench.capacity takes the difference of two moments, for one step."""

from bench.capacity import Use, make_rows


def test_a_step_is_what_has_grown_divided_by_how_often_it_was_done() -> None:
    before = Use({"Kafka": 1_000, "vault": 8_192, "objects": 5}, events=7)
    after = Use({"Kafka": 3_000, "vault": 16_384, "objects": 5}, events=17)
    rows = {row.name: (row.value, row.unit) for row in make_rows("an item", 10, before, after)}
    assert rows == {  # what has not grown is left out
        "an item: Kafka": (200.0, "B"),
        "an item: vault": (819.2, "B"),
        "an item: events": (1.0, ""),
    }
