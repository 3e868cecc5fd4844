"""Files that are whole or not there, and what is never replaced. ADR 0042."""

import ast
import errno
import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import solekey
from solekey.audit import export_log
from solekey.cli.exit_codes import report_error
from solekey.cli.state import Cli
from solekey.errors import OutputExistsError, TargetError
from solekey.files import whole_file
from solekey.files.private_folder import PrivateFolder
from solekey.files.whole_file import WholeFile, write_whole
from tests.support.client.transfers import list_files

CLIENT = Path(solekey.__file__).parent
WRITES = re.compile(
    r"(.*\.)?(write_bytes|write_text|NamedTemporaryFile|mkstemp)|os\.(replace|rename|link)|shutil\.(copy\w*|move)"
)
LIMITED = """
import os, resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
from solekey.cli.exit_codes import report_error
from solekey.cli.state import Cli
from solekey.files import whole_file
from solekey.files.private_folder import PrivateFolder
if sys.argv[3] == "named":
    whole_file._OWN_FILES = Path("/nowhere")
try:
    folder = PrivateFolder(Path(sys.argv[1]))
    if sys.argv[2] == "append":
        folder.append("x", bytes(40_000)); folder.append("x", bytes(40_000))
    elif sys.argv[2] == "profile":
        folder.write("x", bytes(100_000))
    else:
        whole_file.write_whole(Path(sys.argv[1]) / "x", bytes(100_000), new=sys.argv[2] == "new")
except Exception as error:
    sys.exit(report_error(Cli(), error))
"""


@pytest.fixture(params=["unnamed", "named"])
def way(request, monkeypatch):
    if request.param == "named":
        monkeypatch.setattr(whole_file, "_OWN_FILES", Path("/nowhere"))
    return request.param


def test_a_file_is_written_replaced_and_private(tmp_path, way):
    path = tmp_path / "x"
    for data in (b"one", b"two"):
        write_whole(path, data)
        assert path.read_bytes() == data
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list_files(tmp_path) == ["x"]


def test_a_new_file_replaces_nothing(tmp_path, way):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(OutputExistsError):
        write_whole(path, b"new", new=True)
    assert (path.read_bytes(), list_files(tmp_path)) == (b"old", ["x"])


def test_a_new_file_replaces_nothing_that_came_into_being_meanwhile(tmp_path, way):
    path = tmp_path / "x"
    with WholeFile.make(path, new=True) as whole:
        whole.file.write(b"new")
        path.write_bytes(b"faster")
        with pytest.raises(OutputExistsError):
            whole.publish()
    assert (path.read_bytes(), list_files(tmp_path)) == (b"faster", ["x"])


KINDS = {
    "link": lambda path: path.symlink_to(path.parent / "victim"),
    "broken link": lambda path: path.symlink_to("/nowhere/x"),
    "circle": lambda path: path.symlink_to(path),
    "device link": lambda path: path.symlink_to("/dev/null"),
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
}


@pytest.mark.parametrize("what", KINDS)
@pytest.mark.parametrize("new", [False, True])
def test_what_is_no_plain_file_is_not_replaced(tmp_path, way, what, new):
    victim, path = tmp_path / "victim", tmp_path / "x"
    victim.write_bytes(b"precious")
    KINDS[what](path)
    before = path.lstat()
    with pytest.raises(TargetError):
        write_whole(path, b"new", new=new)
    assert victim.read_bytes() == b"precious"
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["victim", "x"]


@pytest.mark.parametrize(
    "path",
    ["/dev/null", "/nowhere/x", "/", "x" * 300, "a\0b"],
    ids=["device", "folder", "root", "long", "0"],
)
def test_a_place_that_cannot_be_written_is_named(tmp_path, path):
    with pytest.raises(TargetError):
        write_whole(tmp_path / path, b"x")
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_threads_that_write_one_file_do_not_mix(tmp_path, way, monkeypatch, links):
    """Each version is whole, whoever comes last; nothing is left beside it."""
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", _refuse)
    path, failures = tmp_path / "x", []

    def write(letter: bytes) -> None:
        try:
            for _ in range(30):
                write_whole(path, letter * 100_000)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b", b"c", b"d")]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        data = path.read_bytes() if path.exists() else b"a"
        assert len(set(data)) == 1
    assert failures == []
    assert len(path.read_bytes()) == 100_000
    assert list_files(tmp_path) == ["x"]


@pytest.mark.parametrize("how", ["replace", "new", "profile", "append"])
@pytest.mark.parametrize("way_", ["unnamed", "named"])
def test_a_full_disk_is_told_as_one_and_leaves_nothing(tmp_path, how, way_):
    """A real limit of the operating system, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path), how, way_], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "[disk_full]" in done.stderr
    assert "Make room" in done.stderr
    if how == "append":
        assert (tmp_path / "x").stat().st_size == 40_000  # as it was before the append that failed
        assert list_files(tmp_path) == ["x"]
    else:
        assert list_files(tmp_path) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told_as_one_wherever_it_comes_from(capsys, number):
    assert report_error(Cli(), OSError(number, os.strerror(number))) == 1
    assert "[disk_full]" in capsys.readouterr().err


def test_what_a_killed_process_left_is_deleted(tmp_path):
    path = tmp_path / "x"
    whole_file._choose_temporary(path).write_bytes(b"left")
    write_whole(path, b"x")
    assert list_files(tmp_path) == ["x"]


def test_an_export_of_events_writes_through_no_link(home, run_cli, tmp_path):
    victim, target = tmp_path / "victim", tmp_path / "events.jsonl"
    victim.write_bytes(b"precious")
    for name in ("events.jsonl.partial", ".events.jsonl.partial", f".events.jsonl.{os.getpid()}"):
        (tmp_path / name).symlink_to(victim)
    assert run_cli("laptop", "events", "export", "-o", target)[0] == 0
    log = tmp_path / "log.jsonl"
    (tmp_path / "log.jsonl.partial").symlink_to(victim)
    assert export_log(str(target), log) > 3
    target.unlink()
    target.symlink_to(victim)
    code, _, said = run_cli("laptop", "events", "export", "-o", target)
    assert code == 1
    assert "[target_unusable]" in said
    with pytest.raises(TargetError):
        export_log(str(log), target)
    assert victim.read_bytes() == b"precious"


def test_recovery_codes_that_cannot_be_saved_are_not_lost(home, run_cli, tmp_path, monkeypatch):
    target = tmp_path / "codes"
    real = WholeFile.publish

    def somebody_is_faster(self):
        target.write_bytes(b"other")
        real(self)

    monkeypatch.setattr(WholeFile, "publish", somebody_is_faster)
    code, out, said = run_cli(
        "laptop", "factors", "recovery-codes", "-o", target, "--code", home.server.code()
    )
    assert code == 1
    assert len(re.findall(r"^[a-z2-7]{5}-[a-z2-7]{5}$", out, re.MULTILINE)) == 10
    assert "[output_exists]" in said


def find_writes(source):
    """List the calls that write files."""
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        name = ast.unparse(call.func)
        mode = [str(arg.value) for arg in call.args if isinstance(arg, ast.Constant)]
        opened = name.endswith("open") and not name.endswith("click.open")
        if WRITES.fullmatch(name) or (opened and any(re.fullmatch(r"[wax]b?\+?", each) for each in mode)):
            yield ast.unparse(call)


def test_nobody_else_writes_files():
    others = [path for path in CLIENT.rglob("*.py") if path.parent.name != "files"]
    assert len(others) > 100
    found = {path: [*find_writes(path.read_text())] for path in others if path.name != "standard_streams.py"}
    assert {path: calls for path, calls in found.items() if calls} == {}


def test_a_write_would_be_found():
    """The positive control."""
    for written in ("path.write_bytes(x)", "open(path, 'w')", "path.open('ab')", "path.open('x+')"):
        assert [*find_writes(f"def f(): {written}")] == [written]
    assert [*find_writes("click.open('w'); path.open('rb')")] == []


def _refuse(*_: object) -> None:
    raise OSError(errno.EPERM, "no links here")


def test_the_lock_of_a_profile_is_for_one_thread_at_a_time_and_leaves_no_file(tmp_path):
    folder, inside, most = PrivateFolder(tmp_path), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(50):
            with folder.lock("x"):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert list_files(tmp_path) == []
