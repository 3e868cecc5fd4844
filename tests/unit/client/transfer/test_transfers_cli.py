"""``put`` and ``get`` as commands: ranges, pipes, refusals, and a bar where a person looks on."""

import io
import json
import os
import sys

import pytest

from solekey.cli.output.progress_bar import show_bar
from solekey.cli.state import Cli
from solekey.progress import Phase, begin_phase, ignore_progress
from solekey.transfer import upload_spool as spool_module
from tests.support.client.transfers import FILM_BYTES, PART_BYTES, list_files, make_command, make_film

USAGE = 2
MISSING = 7


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(spool_module, "MAX_PART_BYTES", PART_BYTES)


@pytest.fixture
def command(home, monkeypatch, capfdbinary):
    return make_command(home, monkeypatch, capfdbinary)


def feed(monkeypatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_a_file_goes_up_and_comes_down(command, tmp_path):
    film = make_film(tmp_path)
    assert command("put", str(film), "--name", "film", "--tag", "a") == (
        0,
        b"",
        "Stored “film”, version 1.\n",
    )
    back = tmp_path / "back.bin"
    code, out, err = command("get", "film", "-o", str(back))
    assert (code, out, err) == (0, b"", f"film → {back}\n")
    assert back.read_bytes() == film.read_bytes()
    code, out, err = command("get", "film", "-o", str(back), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["output"] == str(back)
    assert command("put", str(film), "--name", "film", "--quiet") == (0, b"", "")


def test_standard_input_of_any_size_is_stored(command, monkeypatch):
    for content in (b"", b"short", os.urandom(FILM_BYTES)):
        feed(monkeypatch, content)
        code, out, _ = command("put", "-", "--name", "tape", "--json")
        assert code == 0
        assert json.loads(out)["conflict"] is False
        assert command("get", "tape") == (0, content, "")


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("0-99", 0, 99),
        ("1000000-1000009", 1_000_000, 1_000_009),
        ("-50", FILM_BYTES - 50, FILM_BYTES - 1),
        (f"{FILM_BYTES - 3}-", FILM_BYTES - 3, FILM_BYTES - 1),
        ("0-99999999", 0, FILM_BYTES - 1),
    ],
)
def test_a_range_goes_to_standard_output_a_file_or_a_document(command, tmp_path, asked, first, last):
    film = make_film(tmp_path)
    command("put", str(film), "--name", "film")
    expected = film.read_bytes()[first : last + 1]
    assert command("get", "film", "--range", asked) == (0, expected, "")
    target = tmp_path / "part.bin"
    assert command("get", "film", "--range", asked, "-o", str(target))[0] == 0
    assert target.read_bytes() == expected
    code, out, _ = command("get", "film", "--range", asked, "--json")
    assert code == 0
    assert json.loads(out)["range"] == {"first": first, "last": last}


@pytest.mark.parametrize("asked", ["", "-", "5", "9-3", "a-b", "1-2,5-6", "99999999-"])
def test_a_range_that_is_none_is_refused(command, tmp_path, asked):
    command("put", str(make_film(tmp_path)), "--name", "film")
    code, out, err = command("get", "film", "--range", asked)
    assert (code, out) == (USAGE, b"")
    assert "range" in err.lower()


def test_what_cannot_be_stored_is_refused_before_a_secret_is_asked_for(command, tmp_path, monkeypatch):
    monkeypatch.delenv("SOLEKEY_USER_KEY")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, words in (("folder", "tar c"), ("pipe", "pipe it in"), ("missing", "is not there")):
        code, _, err = command("put", str(tmp_path / name))
        assert code == USAGE
        assert words in err


def test_no_item_no_file(command, tmp_path):
    assert command("get", "nothing", "-o", str(tmp_path / "x"))[0] == MISSING
    assert "x" not in list_files(tmp_path)


class Terminal(io.StringIO):
    """A terminal that keeps what was written to it."""

    def isatty(self) -> bool:
        return True


def look_on(monkeypatch) -> Terminal:
    """Put a terminal in the place of standard error; in the test itself, for pytest changes it before."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def test_the_bar_names_the_phase_share_rate_and_remaining_time(monkeypatch):
    terminal = look_on(monkeypatch)
    now = 1000.0
    with show_bar("put [film]", in_bytes=True, clock=lambda: now) as bar:
        begin_phase(bar, Phase.SEAL)
        bar(0, 10_000_000)
        now += 1
        bar(10_000_000, 10_000_000)
        begin_phase(bar, Phase.SEND)
        for done in (0, 4_000_000, 8_000_000, 12_000_000):
            bar(done, 20_000_000)
            now += 2
        bar._bar.refresh()
        shown = terminal.getvalue()
    assert "put [film]: sending" in shown
    assert "12.0/20.0 MB" in shown
    assert "2.0 MB/s" in shown
    assert "0:00:04" in shown


def test_the_bar_does_not_take_what_was_there_for_speed():
    """A resumed transfer begins in the middle: its rate is that of what really moves."""
    now = 1000.0
    with show_bar("get film", in_bytes=True, clock=lambda: now) as bar:
        begin_phase(bar, Phase.FETCH)
        bar(900_000_000, 1_000_000_000)
        now += 2
        bar(904_000_000, 1_000_000_000)
        [task] = bar._bar.tasks
        assert (task.completed, task.speed) == (904_000_000, 2_000_000)


def test_an_unknown_total_is_no_share():
    with show_bar("put tape", in_bytes=True) as bar:
        begin_phase(bar, Phase.SEAL)
        bar(1_000_000, 0)
        bar(5_000_000, 0)
        [task] = bar._bar.tasks
        assert (task.completed, task.total) == (5_000_000, None)


def test_a_bar_is_shown_only_where_a_person_looks_on(monkeypatch):
    look_on(monkeypatch)
    for state in (Cli(as_json=True), Cli(quiet=True)):
        with state.progress("x", in_bytes=True) as progress:
            assert progress is ignore_progress
    with Cli().progress("x", in_bytes=True) as progress:
        assert progress is not ignore_progress
    monkeypatch.setattr(sys, "stdout", Terminal())
    with Cli().progress("x", in_bytes=True, printing=True) as progress:
        assert progress is ignore_progress
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with Cli().progress("x", in_bytes=True) as progress:
        assert progress is ignore_progress
