"""What the benchmarks share: goals are judged, turns are taken, missing programs are named."""

import json

import pytest

from bench.measure import make_row, measure_medians, print_rows, require_programs, write_rows

KEYS = {"name", "value", "unit", "reference", "reference_value", "ratio", "goal", "met"}


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        ("ratio >= 0.6", True),
        ("ratio >= 0.61", False),
        ("ratio <= 0.6", True),
        ("value >= 61", False),
        ("value <= 60", True),
        ("value <= 59.9", False),
        ("", None),
    ],
)
def test_a_goal_is_met_or_missed_or_not_there(goal, met):
    row = make_row("ours", 60.0, "MiB/s", reference="cp", against=100.0, goal=goal)
    assert row.ratio == 0.6
    assert row.met is met


def test_a_goal_stands_without_a_reference():
    row = make_row("growth", 65.0, "MiB", goal="value <= 64")
    assert (row.reference_value, row.ratio, row.met) == (None, None, False)


def test_a_ratio_needs_a_reference():
    with pytest.raises(ValueError, match="needs a reference"):
        make_row("ours", 60.0, "MiB/s", goal="ratio >= 0.6")


@pytest.mark.parametrize("goal", ["speed >= 1", "ratio > 1", "ratio >= fast"])
def test_a_goal_that_cannot_be_read_is_an_error(goal):
    with pytest.raises((KeyError, ValueError)):
        make_row("ours", 60.0, "MiB/s", reference="cp", against=100.0, goal=goal)


def test_tasks_take_turns_and_medians_are_of_each():
    turns = []
    values = {"ours": iter([1.0, 50.0, 3.0]), "peer": iter([9.0, 8.0, 7.0])}

    def make_task(name):
        def run():
            turns.append(name)
            return next(values[name])

        return run

    medians = measure_medians({name: make_task(name) for name in values}, 3)
    assert turns == ["ours", "peer"] * 3
    assert medians == {"ours": 3.0, "peer": 8.0}  # a slow round is not averaged in


def test_a_missing_program_is_named_with_its_package(capsys):
    require_programs({"sh": "dash"})
    with pytest.raises(SystemExit) as ended:
        require_programs({"sh": "dash", "no-such-cipher": "cipher-tools"})
    assert ended.value.code == 2
    assert capsys.readouterr().err == ("Missing: no-such-cipher. On Debian: apt-get install cipher-tools\n")


def test_rows_are_written_and_shown(tmp_path, capsys):
    rows = [
        make_row("seal", 1234.5, "MiB/s", reference="age", against=1000.0, goal="ratio >= 1.5"),
        make_row("grow", 6.0, "MiB", goal="value <= 64"),
    ]
    path = tmp_path / "new" / "rows.json"
    write_rows(path, rows)
    written = json.loads(path.read_text())
    assert [row.keys() for row in written] == [KEYS, KEYS]
    assert [row["met"] for row in written] == [False, True]
    print_rows("Speed", rows)
    shown = capsys.readouterr().out
    assert "1,234" in shown
    assert "NO" in shown
    assert "yes" in shown
