"""The rows of the abuse benchmark say what was measured."""

from bench.abuse import make_rows

QUIET = {"read": [0.010] * 100, "write": [0.020] * 100}


def test_three_times_as_slow_is_the_most() -> None:
    slower = {kind: [2.9 * value for value in values] for kind, values in QUIET.items()}
    rows = {row.name: row for row in make_rows(QUIET, slower, 0)}
    assert (rows["all"].met, rows["requests that failed"].met) == (True, True)
    assert rows["read"].ratio is not None
    assert abs(rows["read"].ratio - 2.9) < 0.01

    slowest = {kind: [3.1 * value for value in values] for kind, values in QUIET.items()}
    rows = {row.name: row for row in make_rows(QUIET, slowest, 1)}
    assert (rows["all"].met, rows["requests that failed"].met) == (False, False)


def test_a_kind_that_was_never_answered_is_no_success() -> None:
    rows = {row.name: row for row in make_rows(QUIET, {"read": [0.010] * 100}, 3)}
    assert rows["write"].value == float("inf")
    assert rows["requests that failed"].met is False
