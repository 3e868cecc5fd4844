"""The two small apps of the guide: an incremental backup and a notes server, each in 60 lines at most."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread

import pytest

import solekey

EXAMPLES = Path(__file__).parents[4] / "clients" / "python" / "examples"
MAX_LINES = 60


@pytest.fixture
def account(home, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    with solekey.open(home.folder / "laptop", key=home.key(), runtime=home.runtime) as account:
        yield account
    for example in EXAMPLES.glob("*.py"):
        sys.modules.pop(example.stem, None)


def read_tree(folder):
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_examples_are_small():
    sizes = {path.name: len(path.read_text().splitlines()) for path in EXAMPLES.glob("*.py")}
    assert sizes.keys() == {"backup.py", "notes_server.py"}
    assert all(lines <= MAX_LINES for lines in sizes.values()), sizes


def test_a_backup_stores_what_has_changed_and_restores_all(account, tmp_path):
    import backup

    photos, restored = tmp_path / "photos", tmp_path / "restored"
    (photos / "2026").mkdir(parents=True)
    (photos / "one").write_text("one")
    (photos / "2026" / "film").write_bytes(bytes(2_000_000))
    account.items.put("note", "not of the backup")
    assert backup.save(account, photos) == ["2026/film", "one"]
    assert backup.save(account, photos) == []
    (photos / "one").write_text("another")
    (photos / "2026" / "film").unlink()
    (photos / "three").write_text("three")
    assert backup.save(account, photos) == ["one", "three", "2026/film"]
    assert backup.restore(account, restored) == ["one", "three"]
    assert read_tree(restored) == read_tree(photos)


def test_a_restore_writes_nothing_outside_of_its_folder(account, tmp_path):
    import backup

    account.items.put("../outside", "x", tags=["backup"], attributes={"mtime_ns": "0"})
    assert backup.restore(account, tmp_path / "restored") == []
    assert not (tmp_path / "outside").exists()


@contextmanager
def serving(account):
    import notes_server

    with notes_server.make_server(account, "token") as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def call(method, name="", content=None, given="token"):
            connection = HTTPConnection("127.0.0.1", server.server_port, timeout=60)
            with closing(connection):
                connection.request(method, f"/{name}", content, {"Authorization": f"Bearer {given}"})
                answer = connection.getresponse()
                return answer.status, answer.read()

        try:
            yield call
        finally:
            server.shutdown()
            thread.join()


def test_a_notes_server_serves_threads(account, capsys):
    with serving(account) as call:
        names = [f"note-{number}" for number in range(6)]
        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(lambda name: call("PUT", name, name.encode()), names))
            expected = [(200, name.encode()) for name in names]
            assert list(pool.map(lambda name: call("GET", name), names)) == expected
        assert json.loads(call("GET")[1]) == names
        call("DELETE", "note-0")
        status, body = call("GET", "note-0")
        assert (status, json.loads(body)["code"]) == (404, "item_missing")
        assert call("GET", "note-1", given="guessed")[0] == 401
    capsys.readouterr()
