"""H, with an archive: what is given to an auditor who goes on from there, and what becomes of the archive."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from solekey.audit import open_log, verify_log
from solekey.audit.archive.archive import Archive
from solekey.audit.bundle.export import export_to_bundle
from solekey.audit.sources.log import Extent, Log
from solekey_protocol.services import TOPICS, Stream
from tamper.classes.bundles import edit_manifest
from tamper.classes.bus import BusLog, cut, place_of, publish, published
from tamper.classes.facts import opened
from tamper.classes.last_audit import LAST_AUDIT
from tamper.stories import DAYS, PHONE, tell_whole
from tamper.tampering import BOUNDS, Exhibit, Outcome, change, honest, insert, vouch
from tamper.writing import Place, write
from tests.support.audit.auditor import AUDITOR, make_key

_add = LAST_AUDIT.add
_HALF: Final = 0.5
_NO_EVENT: Final = "the archive or the bundle is at fault, no event"
Make = Callable[["_Scene"], Log]
Edit = Callable[["_Scene"], None]


class _Scene:
    """An auditor's folder: a bundle that was verified, and the archive of that."""

    def __init__(self, folder: Path, log: BusLog) -> None:
        self.folder = folder
        self.log = log
        self.archive = folder / "archive"
        export_to_bundle(cut(log, _HALF), folder / "one")
        self.audit(open_log(folder / "one"))

    def audit(self, log: Log) -> None:
        """Audit, and sign."""
        with Archive(self.archive, AUDITOR) as archive:
            verify_log(log, vouch(honest()), BOUNDS, archive=archive)

    def find_name(self, bundle: str) -> str:
        """The name of a bundle."""
        return open_log(self.folder / bundle).bundles[0].name

    def open(self, bundle: str) -> Log:
        """Open a bundle as one that continues the archive."""
        with Archive(self.archive, AUDITOR) as archive:
            assert archive.before is not None
            after = archive.before.point.bundle
        return open_log(self.folder / bundle, after=after)

    def export_next(self, log: BusLog | None = None) -> Path:
        """Export what is new as the bundle ``two``."""
        export_to_bundle(log or self.log, self.folder / "two", after=self.folder / "one")
        return self.folder / "two"

    def query(self, statement: str) -> None:
        """Change the archive."""
        with closing(sqlite3.connect(self.archive, isolation_level=None)) as database:
            assert database.execute(statement).rowcount


def _shown(
    make: Make,
    *,
    log: Callable[[], BusLog] = published,
    at: Callable[[], Place] | None = None,
    edit: Edit = lambda _: None,
    auditor: Any = AUDITOR,
) -> Callable[[], Exhibit]:
    """Show an auditor who has an archive what ``make`` makes of the next log."""

    def show() -> Exhibit:
        folder = TemporaryDirectory(prefix="solekey-tamper-")
        scene = _Scene(Path(folder.name), log())
        edit(scene)
        return Exhibit(
            lambda: make(scene),
            None if at is None else at(),
            vouch(honest()),
            close=folder.cleanup,
            archive=lambda: Archive(scene.archive, auditor),
        )

    return show


def _next(scene: _Scene) -> Log:
    """The bundle that continues what was verified."""
    scene.export_next()
    return open_log(scene.folder / "two", after=scene.find_name("one"))


def _skip_one(scene: _Scene) -> Log:
    """The bundle after the next one."""
    two = scene.export_next(cut(scene.log, 0.75))
    export_to_bundle(scene.log, scene.folder / "three", after=two)
    return scene.open("three")


def _renamed(change_manifest: Callable[[Any], None]) -> Make:
    def make(scene: _Scene) -> Log:
        edit_manifest(change_manifest)(scene.export_next())
        return open_log(scene.folder / "two", after=scene.find_name("one"))

    return make


def _with_bus(change_bus: Callable[[BusLog], BusLog]) -> Make:
    """The bundle that continues, of a bus that is another."""

    def make(scene: _Scene) -> Log:
        scene.export_next(change_bus(scene.log))
        return open_log(scene.folder / "two", after=scene.find_name("one"))

    return make


def _begin_again(document: Any) -> None:
    for each in document["ranges"]:
        each["from"] = 0


def _begin_later(document: Any) -> None:
    max(document["ranges"], key=lambda each: int(each["to"]) - int(each["from"]))["from"] += 1


def _add_partition(log: BusLog) -> BusLog:
    topic = TOPICS[Stream.VAULT]
    state = log.bus.topics[topic]
    more = replace(state, partitions={**state.partitions, len(state.partitions): Extent(0, 0)})
    return replace(log, bus=replace(log.bus, topics={**log.bus.topics, topic: more}))


def _end_earlier(log: BusLog) -> BusLog:
    """A bus that was cut to less than what was verified."""
    return cut(log, 0.25)


def _live(change_bus: Callable[[BusLog], BusLog]) -> Make:
    """The bus itself, in the place of a bundle."""
    return lambda scene: change_bus(scene.log)


def _written_again(log: BusLog) -> BusLog:
    """A bus that was cut, and has grown again: other records lie where the last verified ones lay."""
    first = {(each.place.topic, each.place.partition): each for each in reversed(log.kept) if each.place}
    kept = [
        replace(first[each.place.topic, each.place.partition], place=each.place)
        for each in log.kept
        if each.place
    ]
    return replace(log, kept=tuple(kept))


def _cut_file(scene: _Scene) -> None:
    raw = scene.archive.read_bytes()
    scene.archive.write_bytes(raw[: len(raw) // 2])


def _put_back(scene: _Scene) -> None:
    """The archive as it was an audit earlier, once more."""
    before = scene.archive.read_bytes()
    scene.export_next(cut(scene.log, 0.75))
    scene.audit(scene.open("two"))
    scene.archive.write_bytes(before)


def _after_that(scene: _Scene) -> Log:
    _put_back(scene)
    export_to_bundle(scene.log, scene.folder / "three", after=scene.folder / "two")
    return scene.open("three")


def _lie_later() -> BusLog:
    return publish(write(insert(opened(10 * DAYS, PHONE))(tell_whole())).events)


def _rewrite_verified(scene: _Scene) -> Log:
    """Another event in the place of one that was verified, as if it were new."""
    other = write(change("ben.registered", at=0.5)(tell_whole())).find("ben.registered")
    log, place = scene.log, scene.log.kept[place_of("ben.registered")].place
    assert place is not None
    last = max(
        each.place.offset
        for each in log.kept
        if each.place and (each.place.topic, each.place.partition) == (place.topic, place.partition)
    )
    kept = [
        replace(each, raw=other.raw, key=other.account.encode())
        if each.place == replace(place, offset=last)
        else each
        for each in log.kept
    ]
    scene.export_next(replace(log, kept=tuple(kept)))
    return open_log(scene.folder / "two", after=scene.find_name("one"))


def _unreadable(what: str, make: Callable[[], Exhibit], code: str) -> None:
    _add(what, make, code, outcome=Outcome.UNREADABLE)


_CONTINUES: Final = "archive_continues"
_DAMAGED: Final = "archive_damaged"
_unreadable("a bundle is left out behind the archive", _shown(_skip_one), "bundle_continues")
_unreadable(
    "what was verified already, once more", _shown(lambda scene: scene.open("one")), "bundle_continues"
)
_unreadable("the archive of an audit before is put back", _shown(_after_that), "bundle_continues")
_add(
    "a bundle that overlaps with the archive",
    _shown(_renamed(_begin_again)),
    "BUN-03",
    named=False,
    reason=_NO_EVENT,
)
_add(
    "a hole between the archive and the bundle",
    _shown(_renamed(_begin_later)),
    "BUN-03",
    named=False,
    reason=_NO_EVENT,
)
_add(
    "the bus has shrunk behind the archive",
    _shown(_with_bus(_end_earlier)),
    "BUS-03",
    named=False,
    reason=_NO_EVENT,
)
_unreadable(
    "a bundle of another cluster",
    _shown(_with_bus(lambda log: replace(log, bus=replace(log.bus, cluster="another")))),
    _CONTINUES,
)
_unreadable("a bus with a partition more", _shown(_with_bus(_add_partition)), _CONTINUES)
_unreadable("a bus that ends before the archive does", _shown(_live(_end_earlier)), _CONTINUES)
_unreadable("a bus that was cut and has grown again", _shown(_live(_written_again)), _CONTINUES)
_unreadable("the archive of another auditor", _shown(_next, auditor=make_key("another")), "archive_foreign")
_unreadable(
    "a verdict that the auditor has not signed",
    _shown(
        _next,
        edit=lambda scene: scene.query(
            "UPDATE state SET data = CAST(replace(data, '\"number\":1', '\"number\":2') AS BLOB) "
            "WHERE name = 'verdict'"
        ),
    ),
    _DAMAGED,
)
_unreadable(
    "an account is taken out of the archive",
    _shown(_next, edit=lambda scene: scene.query("DELETE FROM subjects WHERE rowid = 2")),
    _DAMAGED,
)
_unreadable(
    "records of an account are taken out of the archive",
    _shown(
        _next,
        edit=lambda scene: scene.query(
            "DELETE FROM chunks WHERE subject = (SELECT max(subject) FROM chunks)"
        ),
    ),
    _DAMAGED,
)
_unreadable(
    "what the archive knows of the bus is exchanged",
    _shown(_next, edit=lambda scene: scene.query("UPDATE state SET data = x'00' WHERE name = 'bus'")),
    _DAMAGED,
)
_unreadable(
    "the verdict is taken out of the archive",
    _shown(_next, edit=lambda scene: scene.query("DELETE FROM state WHERE name = 'verdict'")),
    _DAMAGED,
)
_unreadable("the archive is cut off", _shown(_next, edit=_cut_file), _DAMAGED)
_add(
    "a lie behind the archive",
    _shown(
        _next, log=_lie_later, at=lambda: write(insert(opened(10 * DAYS, PHONE))(tell_whole())).places["lie"]
    ),
    "REV-02",
)
_add(
    "another event in the place of one in the archive",
    _shown(_rewrite_verified),
    "CHN-02",
    named=False,
    reason="which of two is false nobody can say; the archive has the other",
)
