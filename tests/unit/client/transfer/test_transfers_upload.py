"""Uploads: resumed with the same bytes, refused when the source is not what it was, cleaned up after."""

import io
import os
import shutil
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from solekey.errors import (
    ContentSizeError,
    DiskFullError,
    ProfileError,
    SourceError,
    TransferBusyError,
    UnreachableError,
)
from solekey.progress import Phase
from solekey.rotation.rotation import rekey_data
from solekey.transfer import upload_spool as spool_module
from solekey.transfer.source_file import SourceFile
from solekey.transfer.upload_spool import KEPT_S, UploadSpool, clean_uploads
from tests.support.client.transfers import (
    FILM_BYTES,
    PART_BYTES,
    find_digests,
    list_files,
    make_film,
    restart,
    watch,
)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(spool_module, "MAX_PART_BYTES", PART_BYTES)


@pytest.fixture
def film(tmp_path) -> Path:
    return make_film(tmp_path)


@pytest.fixture
def uploads(home) -> Path:
    return home.folder / "laptop" / "uploads"


def interrupt(home, film: Path, after: int, **options) -> list[str]:
    """Put a film, and lose the network after so many parts; returns the parts that arrived."""
    traffic = watch(home, puts_left=after)
    with pytest.raises(UnreachableError):
        restart(home).put_file(film, **options)
    home.server.be_honest()
    return traffic.sent


def find_salts(home) -> set[bytes]:
    """The salts of all the envelopes that the server has seen the beginning of."""
    return {data[10:42] for data in home.account.objects.values() if data.startswith(b"SKE1")}


def test_an_upload_goes_on_where_it_was_cut(home, film, uploads):
    first = interrupt(home, film, 2)
    assert len(first) == 2
    traffic = watch(home)
    vault = restart(home)
    assert vault.put_file(film).version == 1
    assert vault.get("film.bin").content == film.read_bytes()
    parts = find_digests(vault, "film.bin")
    assert set(first) <= set(parts)
    assert sorted(first + [digest for digest in traffic.sent if digest in parts]) == sorted(parts)
    assert list_files(uploads) == []


def test_a_file_that_changed_between_the_attempts_is_sealed_anew_with_a_fresh_salt(home, film, uploads):
    interrupt(home, film, 2)
    before = find_salts(home)
    times = film.stat()
    with film.open("r+b") as file:
        file.write(b"changed")
    os.utime(
        film, ns=(times.st_atime_ns, times.st_mtime_ns)
    )  # somebody hides it: the size and time are the same
    vault = restart(home)
    vault.put_file(film)
    assert vault.get("film.bin").content == film.read_bytes()
    assert len(find_salts(home) - before) == 1
    assert list_files(uploads) == []


def test_restart_seals_anew(home, film):
    interrupt(home, film, 2)
    before = find_salts(home)
    vault = restart(home)
    vault.put_file(film, restart=True)
    assert vault.get("film.bin").content == film.read_bytes()
    assert len(find_salts(home) - before) == 1


def test_other_tags_are_not_lost_to_what_was_sealed_before(home, film):
    interrupt(home, film, 2, tags=("old",))
    restart(home).put_file(film, tags=("new",))
    assert restart(home).find("film.bin").metadata.tags == ("new",)


def test_an_upload_that_was_committed_just_before_the_crash_is_not_done_twice(home, film):
    def die_after_the_commit(request, response):
        if request.url.path == "/v1/vault/statements":
            raise KeyboardInterrupt
        return response

    vault = home.unlock("laptop")
    home.server.tamper = die_after_the_commit
    with pytest.raises(KeyboardInterrupt):
        vault.put_file(film)
    home.server.be_honest()
    traffic = watch(home)
    vault = restart(home)
    stored = vault.put_file(film)
    assert (stored.version, stored.conflict, traffic.sent) == (1, False, [])
    assert [info.name for info in vault.list()] == ["film.bin"]


def test_a_file_that_grows_shrinks_or_changes_while_it_is_read_is_refused(home, film, uploads):
    def grow(path):
        with path.open("ab") as file:
            file.write(b"more")

    def shrink(path):
        os.truncate(path, FILM_BYTES // 2)

    def change(path):
        with path.open("r+b") as file:
            file.write(b"else")

    for meddle in (grow, shrink, change):
        meddled: list[int] = []

        def meddle_once(done, total, meddle=meddle, meddled=meddled):
            if not meddled:
                meddled.append(done)
                meddle(film)

        with pytest.raises(ContentSizeError) as refusal:
            restart(home).put_file(film, progress=meddle_once)
        assert refusal.value.code == "content_size_changed"
        assert list_files(uploads) == []
    vault = restart(home)
    vault.put_file(film)
    assert vault.get("film.bin").content == film.read_bytes()


@pytest.mark.parametrize("what", ["folder", "missing", "pipe"])
def test_a_source_that_is_no_file_is_refused(home, tmp_path, what):
    source = tmp_path / "source"
    if what == "folder":
        source.mkdir()
    elif what == "pipe":
        os.mkfifo(source)
    with pytest.raises(SourceError) as refusal:
        home.unlock("laptop").put_file(source)
    assert refusal.value.code == "source_unusable"


def test_a_source_that_may_not_be_read_is_refused():
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        Path(folder).chmod(0o755)
        source = Path(folder) / "source"
        source.write_bytes(b"x")
        SourceFile.look_at(source)
        source.chmod(0)
        if os.geteuid() == 0:  # to whom every file is open
            os.seteuid(65534)
            stack.callback(os.seteuid, 0)
        with pytest.raises(SourceError, match="Permission denied"):
            SourceFile.look_at(source)


def test_a_spool_that_was_damaged_is_not_sent(home, film, uploads):
    interrupt(home, film, 2)
    [sealed] = uploads.glob("*.sealed")
    with sealed.open("r+b") as file:
        file.seek(3 * PART_BYTES)
        file.write(b"damaged")
    with pytest.raises(ProfileError, match="run the same command again"):
        restart(home).put_file(film)
    vault = restart(home)
    vault.put_file(film)
    assert vault.get("film.bin").content == film.read_bytes()


def test_a_spool_that_was_cut_is_sealed_anew(home, film, uploads):
    interrupt(home, film, 2)
    [sealed] = uploads.glob("*.sealed")
    os.truncate(sealed, 1000)
    vault = restart(home)
    vault.put_file(film)
    assert vault.get("film.bin").content == film.read_bytes()


def test_two_at_the_same_time_are_refused_by_name(home, film, uploads):
    interrupt(home, film, 2)
    [sealed] = uploads.glob("*.sealed")
    with UploadSpool(home.sessions["laptop"].connection.profile.folder, sealed.stem).hold():
        with pytest.raises(TransferBusyError):
            restart(home).put_file(film)
        assert sealed.exists()
    restart(home).put_file(film)


def test_what_nobody_will_resume_is_deleted(home, film, uploads, tmp_path):
    interrupt(home, film, 2)
    folder = home.sessions["laptop"].connection.profile.folder
    [sealed] = uploads.glob("*.sealed")
    (uploads / ".solekey-0123456789abcdef-0123456789abcdef.part").write_bytes(b"half an envelope")
    now_s = sealed.stat().st_mtime
    clean_uploads(folder, now_s=now_s + KEPT_S - 60)
    assert sorted(path.suffix for path in uploads.iterdir()) == [".json", ".sealed"]
    with UploadSpool(folder, sealed.stem).hold():
        clean_uploads(folder, now_s=now_s + KEPT_S + 60)
        assert sealed.exists()
    clean_uploads(folder, now_s=now_s + KEPT_S + 60)
    assert list_files(uploads) == []


def test_a_full_disk_is_named_before_anything_is_sealed(home, film, uploads, monkeypatch):
    real = shutil.disk_usage
    monkeypatch.setattr(
        "solekey.files.disk_room.shutil.disk_usage", lambda path: real(path)._replace(free=1000)
    )
    with pytest.raises(DiskFullError):
        restart(home).put_file(film)
    assert list_files(uploads) == []


def test_a_stream_of_unknown_size_is_stored(home, uploads):
    content = os.urandom(FILM_BYTES)
    vault = home.unlock("laptop")
    phases: list[Phase] = []

    class Watcher:
        def begin(self, phase: Phase) -> None:
            phases.append(phase)

        def __call__(self, done: int, total: int) -> None:
            assert total == 0 or done <= total

    stored = vault.put_stream("tape", io.BytesIO(content).read, tags=("a",), progress=Watcher())
    assert (stored.name, stored.version) == ("tape", 1)
    assert vault.get("tape").content == content
    assert vault.find("tape").metadata.tags == ("a",)
    assert phases == [Phase.SEAL, Phase.SEND]
    assert list_files(uploads) == []
    assert vault.put_stream("tape", io.BytesIO(b"short").read).version == 2
    assert vault.get("tape").content == b"short"
    assert vault.put_stream("empty", io.BytesIO(b"").read).version == 1


def test_a_stream_is_read_as_it_comes(home):
    """Pipes give what they have, at most as much as asked for."""
    content = os.urandom(3 * PART_BYTES)
    pieces = io.BytesIO(content)
    vault = home.unlock("laptop")
    vault.put_stream("tape", lambda size: pieces.read(min(size, 10_007)))
    assert vault.get("tape").content == content


def test_a_stream_whose_place_was_taken_meanwhile_is_sealed_again_from_its_ciphertext(home, uploads):
    content = os.urandom(FILM_BYTES)
    home.add_device("phone")
    laptop, phone = home.unlock("laptop"), home.unlock("phone")
    source = io.BytesIO(content)
    taken: list[bool] = []

    def read(size: int) -> bytes:
        if source.tell() > FILM_BYTES // 2 and not taken:
            taken.append(not phone.put("tape", b"from the phone").conflict)
        return source.read(size)

    stored = laptop.put_stream("tape", read)
    assert taken
    assert stored.conflict
    assert laptop.get(stored.id).content == content
    assert phone.get("tape").content == b"from the phone"
    assert list_files(uploads) == []


def test_a_stream_that_breaks_off_leaves_nothing(home, uploads):
    source = io.BytesIO(os.urandom(FILM_BYTES))

    def read(size: int) -> bytes:
        if source.tell() > FILM_BYTES // 2:
            raise OSError("the pipe broke")
        return source.read(size)

    vault = home.unlock("laptop")
    with pytest.raises(OSError, match="broke"):
        vault.put_stream("tape", read)
    assert vault.list() == []
    assert list_files(uploads) == []


def test_progress_covers_sealing_and_sending(home, film):
    seen: list[tuple[Phase, int, int]] = []

    class Watcher:
        phase = Phase.OPEN

        def begin(self, phase: Phase) -> None:
            self.phase = phase

        def __call__(self, done: int, total: int) -> None:
            seen.append((self.phase, done, total))

    vault = home.unlock("laptop")
    stored = vault.put_file(film, progress=Watcher())
    sealed = vault.unlocked.index.items[stored.id].size
    assert [entry for entry in seen if entry[0] is Phase.SEAL][-1] == (Phase.SEAL, FILM_BYTES, FILM_BYTES)
    assert seen[-1] == (Phase.SEND, sealed, sealed)
    for phase in (Phase.SEAL, Phase.SEND):
        done = [entry[1] for entry in seen if entry[0] is phase]
        assert done == sorted(done)
        assert len(done) >= 5
    seen.clear()
    vault.get_file("film.bin", film.with_name("back"), progress=Watcher())
    assert [entry for entry in seen if entry[0] is Phase.FETCH][-1] == (Phase.FETCH, sealed, sealed)
    assert seen[-1] == (Phase.OPEN, FILM_BYTES, FILM_BYTES)


def test_a_re_encryption_holds_its_spools(home, film):
    """Two programs of one profile do not seal into the same file at the same time."""
    vault = home.unlock("laptop")
    vault.put_file(film)
    held: list[bool] = []
    profile = home.sessions["laptop"].connection.profile

    def look(request):
        if request.method == "PUT" and "/objects/" in request.url.path and not held:
            for lock in (profile.folder.path / "uploads").glob("*.lock"):
                with pytest.raises(TransferBusyError), UploadSpool(profile.folder, lock.stem).hold():
                    pass
                held.append(True)

    home.server.before = look
    rekey_data(vault)
    assert held
    assert vault.get("film.bin").content == film.read_bytes()


def test_parts_may_be_smaller_than_a_chunk(home, monkeypatch):
    """Another implementation may cut as it likes: the list, a reader and a re-encryption take it."""
    monkeypatch.setattr(spool_module, "MAX_PART_BYTES", 10_000)
    content = os.urandom(100_000)
    vault = home.unlock("laptop")
    vault.put("note", content)
    assert len(find_digests(vault, "note")) > 5
    vault = restart(home)
    assert [info.name for info in vault.list()] == ["note"]
    assert vault.get_range("note", 90_000, 50_000) == content[90_000:]
    rekey_data(vault)
    assert restart(home).get("note").content == content


def test_many_threads_may_call_the_server(home):
    """Parts travel in threads: no position goes back, and an expired token is refreshed once."""
    vault = home.unlock("laptop")
    vault.put_file(make_film(home.folder))
    connection = home.sessions["laptop"].connection
    home.server.sleep(600)
    home.server.requests.clear()
    digests = vault.unlocked.index.items[vault.find("film.bin").id].parts
    home.server.sleep(600)
    home.server.requests.clear()
    failures: list[BaseException] = []

    def fetch() -> None:
        try:
            for part in digests:
                vault.unlocked.objects.fetch(part.digest)
        except Exception as error:  # noqa: BLE001  # whatever it is, the test fails below
            failures.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    refreshes = [path for _, path in home.server.requests if path.endswith("/refresh")]
    assert len(refreshes) == 1
    assert connection.tokens.expires_at > home.server.now
