"""Where objects lie: visible once durable, nothing half-written, nothing left behind. Faults are real."""

import resource
import sqlite3
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, func, select

from solekey_eventlog.errors import UnavailableError
from solekey_protocol.ids import compute_digest
from solekey_service.refusals import NotFound
from solekey_vault import object_repository
from solekey_vault.blobs import BlobStore, find_object_store_problem, open_blob_store
from solekey_vault.definition import DEFINITION
from solekey_vault.object_repository import ObjectRepository
from solekey_vault.objects import MAX_ROW_BYTES
from solekey_vault.ranges import parse_range
from solekey_vault.refusals import RangeNotSatisfiable, StorageFull
from solekey_vault.store_check import MARKER
from solekey_vault.tables import object_rows, objects, orphans
from tests.support.actors import Actor

ANA, BEN = Actor("ana", "laptop").account, Actor("ben", "laptop").account
SMALL, LARGE = b"s" * MAX_ROW_BYTES, b"l" * (MAX_ROW_BYTES + 1)


class Place:
    """An object repository over a rig's database and a folder."""

    def __init__(self, rig, folder, blobs=None):
        self.rig, self.folder = rig, folder
        self.kernel = (
            rig.kernels.get(DEFINITION.stream)
            or rig.build(DEFINITION, object_store_url=f"file://{folder}").kernel
        )
        self.objects = ObjectRepository(
            self.kernel.store, blobs or open_blob_store(f"file://{folder}"), self.kernel.random
        )

    def put(self, *bodies, account=ANA):
        return self.objects.put(account, {compute_digest(body): body for body in bodies})

    def get(self, body, account=ANA):
        return self.objects.get(account, compute_digest(body))

    def files(self):
        return [path for path in self.folder.rglob("*") if path.is_file() and path.name != MARKER]

    def count(self, table):
        with self.kernel.store.read() as uow:
            return uow.connection.execute(select(func.count()).select_from(table)).scalar_one()


@pytest.fixture
def place(rig, tmp_path):
    return Place(rig, tmp_path / "objects")


def test_small_ones_are_rows_and_large_ones_files(place):
    assert place.put(SMALL, LARGE) == 2
    assert (place.get(SMALL), place.get(LARGE)) == (SMALL, LARGE)
    (file,) = place.files()
    assert file.read_bytes() == LARGE
    assert place.count(orphans) == 0
    assert place.put(SMALL, LARGE) == 0
    assert len(place.files()) == 1
    for body in (SMALL, LARGE):
        with pytest.raises(NotFound):
            place.get(body, account=BEN)


@pytest.mark.parametrize(("start", "end"), [(0, 3), (2, 5), (3, None), (0, None), (4, 4), (9, None), (5, 99)])
def test_pieces_of_rows_are_cut_by_the_database(place, start, end):
    body = bytes(range(250, 256)) + b"\x00"
    place.put(body)
    assert place.objects.get(ANA, compute_digest(body), start, end) == body[start:end]


def test_many_are_collected_some_at_a_time(place, monkeypatch):
    monkeypatch.setattr(object_repository, "_DELETED_AT_ONCE", 2)
    pauses = []
    monkeypatch.setattr(place.objects, "pause", lambda: pauses.append(place.count(objects)))
    place.put(*(b"%d" % number for number in range(4)), LARGE)
    now = place.rig.clock.now()
    assert place.objects.purge_unclaimed(now) == 0  # positive control
    assert place.objects.purge_unclaimed(now + timedelta(seconds=1)) == 5
    assert pauses == [3, 1]  # others write in between
    assert (place.count(objects), place.count(object_rows), place.count(orphans)) == (0, 0, 1)
    assert place.objects.sweep(now + timedelta(seconds=1)) == 1
    assert place.files() == []


def test_those_of_one_account_are_purged_and_no_others(place):
    place.put(SMALL, LARGE)
    place.put(SMALL, LARGE, account=BEN)
    later = place.rig.clock.now() + timedelta(seconds=1)
    assert place.objects.purge_unclaimed(later, account=ANA) == 2
    assert (place.get(SMALL, account=BEN), place.get(LARGE, account=BEN)) == (SMALL, LARGE)


def test_dropped_blobs_are_deleted_after_their_time(place):
    place.put(SMALL, LARGE)
    with place.kernel.store.begin() as uow:
        dropped = place.objects.drop(uow, ANA, [compute_digest(SMALL), compute_digest(LARGE)])
    assert dropped == 2
    now = place.rig.clock.now()
    assert place.objects.delete_dropped(now) == 0
    assert place.get(LARGE) == LARGE  # positive control: it can be brought back until its time is over
    assert place.objects.delete_dropped(now + timedelta(seconds=1)) == 2
    with pytest.raises(NotFound):
        place.get(LARGE)
    assert place.objects.sweep(now) == 0
    assert place.objects.sweep(now + timedelta(seconds=1)) == 1
    assert place.files() == []
    assert place.count(orphans) == 0


def test_what_is_claimed_again_is_not_deleted(place):
    place.put(SMALL, LARGE)
    with place.kernel.store.begin() as uow:
        place.objects.drop(uow, ANA, [compute_digest(SMALL), compute_digest(LARGE)])
    with place.kernel.store.begin() as uow:
        place.objects.claim(uow, ANA, [compute_digest(SMALL)])
    assert place.objects.delete_dropped(place.rig.clock.now() + timedelta(days=99)) == 1
    assert place.get(SMALL) == SMALL


def test_what_no_commit_names_is_purged_and_what_is_claimed_stays(place):
    claimed, sent_again = b"claimed", b"sent again"
    place.put(SMALL, LARGE, claimed, sent_again)
    with place.kernel.store.begin() as uow:
        place.objects.claim(uow, ANA, [compute_digest(claimed)])
    place.rig.clock.advance(3600)
    place.put(sent_again)
    assert place.objects.purge_unclaimed(place.rig.clock.now()) == 2
    assert (place.get(claimed), place.get(sent_again)) == (claimed, sent_again)
    for body in (SMALL, LARGE):
        with pytest.raises(NotFound):
            place.get(body)


class Crash(BaseException):
    """The process ends here."""


class CrashingStore(BlobStore):
    """Ends the process right after a blob was written."""

    def write(self, bodies):
        super().write(bodies)
        raise Crash


def test_a_crash_between_file_and_row_leaves_nothing_visible_and_nothing_for_ever(rig, tmp_path, place):
    crashing = Place(
        rig, tmp_path / "objects", CrashingStore(open_blob_store(f"file://{tmp_path}/objects")._store)
    )
    with pytest.raises(Crash):
        crashing.put(LARGE)
    assert len(place.files()) == 1
    with pytest.raises(NotFound):
        place.get(LARGE)
    assert place.objects.sweep(place.rig.clock.now() + timedelta(seconds=1)) == 1
    assert place.files() == []
    assert place.put(LARGE) == 1


class SlowStore(BlobStore):
    """Takes so long that the sweeper comes by."""

    def __init__(self, store, objects, clock):
        super().__init__(store)
        self.objects, self.clock = objects, clock

    def write(self, bodies):
        super().write(bodies)
        self.objects.sweep(self.clock.now() + timedelta(seconds=1))


def test_an_upload_that_the_sweeper_overtook_is_not_acknowledged(rig, tmp_path, place):
    store = open_blob_store(f"file://{tmp_path}/objects")._store
    slow = Place(rig, tmp_path / "objects", SlowStore(store, place.objects, rig.clock))
    with pytest.raises(UnavailableError):
        slow.put(LARGE)
    with pytest.raises(NotFound):
        place.get(LARGE)


@contextmanager
def files_at_most(size):
    """Let the operating system refuse to write files beyond a size, as a full disk or a quota does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class FullDisk(BlobStore):
    """Writes blobs while the disk is full, and only those."""

    def write(self, bodies):
        with files_at_most(1000):
            super().write(bodies)


def test_a_full_object_store_keeps_nothing(rig, tmp_path, place):
    full = Place(rig, tmp_path / "objects", FullDisk(open_blob_store(f"file://{tmp_path}/objects")._store))
    with pytest.raises(StorageFull):
        full.put(SMALL, LARGE)
    for body in (SMALL, LARGE):
        with pytest.raises(NotFound):
            place.get(body)
    assert place.files() == []
    assert place.put(SMALL, LARGE) == 2  # there is room again


def test_a_full_database_keeps_nothing(place):
    if place.kernel.engine.dialect.name != "sqlite":
        with pytest.raises(StorageFull):  # PostgreSQL's own error, raised by PostgreSQL
            raise_disk_full(place)
        return

    def limit(connection, _, __):
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 5}").close()

    event.listen(place.kernel.engine, "checkout", limit)
    with pytest.raises(StorageFull):
        place.put(*[bytes([n]) * 60_000 for n in range(10)])
    assert place.count(objects) == 0
    event.remove(place.kernel.engine, "checkout", limit)
    place.kernel.engine.dispose()
    assert place.put(SMALL) == 1


def raise_disk_full(place):
    from solekey_vault.objects import storing

    raise_it = (
        "DO $$ BEGIN RAISE disk_full USING MESSAGE = 'could not extend file: No space left on device'; END $$"
    )
    with storing(), place.kernel.store.begin() as uow:
        uow.connection.exec_driver_sql(raise_it)


def test_a_lost_folder_is_unavailable_not_empty(place):
    place.put(LARGE)
    (file,) = place.files()
    file.unlink()
    with pytest.raises(NotFound):
        place.get(LARGE)
    file.mkdir()
    with pytest.raises((UnavailableError, NotFound)):
        place.get(LARGE)


@pytest.mark.parametrize(
    "url", ["file:///srv/objects", "s3://bucket/prefix", "gs://bucket", "az://container/prefix"]
)
def test_object_store_urls(url):
    assert find_object_store_problem(url) is None


@pytest.mark.parametrize("url", ["", "objects", "file://host/objects", "file:objects", "ftp://x/y", "s3://"])
def test_wrong_object_store_urls(url):
    assert find_object_store_problem(url)


@given(st.integers(1, 50), st.integers(0, 60), st.integers(0, 60))
def test_ranges_cut_what_a_slice_cuts(size, first, last):
    body = bytes(range(size))
    if first >= size or last < first:
        with pytest.raises(RangeNotSatisfiable):
            parse_range(f"bytes={first}-{last}", size)
        return
    found = parse_range(f"bytes={first}-{last}", size)
    assert body[found.start : found.end] == body[first : last + 1]


@pytest.mark.parametrize(
    "text", ["", "bytes=-", "bytes=1-2,5-6", "items=0-1", "bytes=a-b", "bytes=-0", "bytes=9-3"]
)
def test_ranges_that_are_refused(text):
    with pytest.raises(RangeNotSatisfiable):
        parse_range(text, 100)


def test_sqlite_says_full_as_expected():
    """Positive control of the pattern: a database of one page refuses more, in these words."""
    db = sqlite3.connect(":memory:")
    db.execute("PRAGMA max_page_count = 1")
    with pytest.raises(sqlite3.OperationalError, match="disk is full"):
        db.execute("CREATE TABLE t (x)")
    db.close()


def test_an_upload_leaves_the_databases_their_room(rig, tmp_path, monkeypatch):
    """One upload after the other fills the disk up to the reserve, and no further."""
    rig.build(DEFINITION, object_store_url=f"file://{tmp_path}/objects")
    room = {"free": 3_000_000}
    monkeypatch.setattr("solekey_vault.blobs.shutil.disk_usage", lambda _: SimpleNamespace(**room))
    blobs = open_blob_store(f"file://{tmp_path}/objects", reserve_bytes=2_000_000)
    place = Place(rig, tmp_path / "objects", blobs)
    place.put(LARGE)
    room["free"] = 2_000_000 + len(LARGE)
    place.put(LARGE[:-1] + b"x")
    room["free"] = 2_000_000 + len(LARGE) - 1
    with pytest.raises(StorageFull):
        place.put(LARGE[:-1] + b"y")
    room["free"] = 3_000_000
    assert place.put(LARGE[:-1] + b"y") == 1  # there is room again


def test_a_file_that_cannot_be_read_is_left_out_of_a_batch(tmp_path):
    """One bad file harms one object: the others of the request are sent."""
    store = open_blob_store(f"file://{tmp_path}")
    store.write({"a/good": b"1", "a/bad": b"2"})
    (tmp_path / "a" / "bad").unlink()
    (tmp_path / "a" / "bad").symlink_to("bad")  # reading it fails for root as well
    assert store.read(["a/bad", "a/good"]) == {"a/good": b"1"}
    assert store.read(["a/bad", "a/good"], end=1) == {"a/good": b"1"}
