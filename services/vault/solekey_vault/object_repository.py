"""Which objects an account has, and where their bytes lie. Spec: vault.md §3.

An object is visible once its bytes are durable: a large one is written under a new name first, then named by
a row. A name is noted in ``orphans`` before it is written and after its row is gone: a crash leaves
nothing behind for ever; ``sweep`` deletes what has been an orphan for long.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Connection, String, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from solekey_eventlog.errors import UnavailableError
from solekey_eventlog.offload import Offload, run_here
from solekey_eventlog.store import EventStore
from solekey_eventlog.trouble import Trouble
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.ids import AccountId, Digest
from solekey_service.kernel import Random
from solekey_service.refusals import NotFound
from solekey_vault.objects import MAX_ROW_BYTES, ObjectStore, RowStore, pages, storing
from solekey_vault.refusals import StorageFull
from solekey_vault.tables import objects, orphans
from solekey_vault.usage_repository import DEFAULT_QUOTA, IsRotating, Quota, UsageRepository

_log = logging.getLogger(__name__)

T = TypeVar("T")
_NAME_BYTES: Final = 10
_DELETED_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class _Place:
    digest: Digest
    size: int
    name: str
    large: bool


_PLACES: Final = select(objects.c.digest, objects.c.size, objects.c.name, objects.c.large).where(
    objects.c.account == bindparam("account", type_=String),
    objects.c.digest.in_(bindparam("digests", type_=String, expanding=True)),
)
"""Built once, as its neighbours are: SQLAlchemy takes longer for that than to run it."""
_PLACES_KEPT: Final = _PLACES.with_for_update()


@lru_cache
def _insert_new(dialect: str) -> Any:
    """Build the statement that inserts objects that are not known."""
    query = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(objects)
    return query.on_conflict_do_nothing().returning(objects.c.name)


class ObjectRepository:
    """The objects of all accounts."""

    def __init__(
        self,
        store: EventStore,
        blobs: ObjectStore,
        random: Random,
        offload: Offload = run_here,
        quota: Quota = DEFAULT_QUOTA,
        pause: Callable[[], None] = lambda: None,
        is_rotating: IsRotating = lambda _uow, _account: False,
    ) -> None:
        """Keep objects.

        Args:
            store: where their rows are.
            blobs: where large ones lie.
            random: makes names.
            offload: runs what blocks a thread.
            quota: what an account may store that has no limits of its own.
            pause: lets other requests go on in the middle of a long deletion.
            is_rotating: tells whether a rotation of an account is open, during which it may have more.
        """
        self.quota = quota
        self._is_rotating = is_rotating
        self.pause = pause
        self._store = store
        self._blobs = blobs
        self._random = random
        self._offload = offload
        self._full = Trouble(_log, "vault: uploads are refused (storage_full)")

    def put(self, account: AccountId, bodies: Mapping[Digest, bytes]) -> int:
        """Keep objects under their digests, which the caller has verified. Returns how many are new.

        Raises:
            StorageFull, UnavailableError: none of them is visible that was not before.
            QuotaExceeded, RateLimited: the account stores or sends too much; nor then.
        """
        try:
            count = self._put(account, bodies)
        except StorageFull as error:
            self._full.meet(error)
            raise
        self._full.end()
        return count

    def _put(self, account: AccountId, bodies: Mapping[Digest, bytes]) -> int:
        if all(len(body) <= MAX_ROW_BYTES for body in bodies.values()):
            with storing(), self._store.begin() as uow:
                return self._name(uow, account, self._make_places(account, bodies, uow.now), bodies)
        with self._store.read() as uow:
            known, new = self._look_up(uow, account, bodies)
            self._count(uow).verify_room(account, [place.size for place in new])
        large = {place.name: bodies[place.digest] for place in new if place.large}
        with storing():
            if large:
                self._note_orphans(list(large))
                self._offload(lambda: self._blobs.write(large))
            with self._store.begin() as uow:
                self._refresh(uow, account, known)
                return self._name(uow, account, new, bodies)

    def find_sizes(
        self, uow: UnitOfWork, account: AccountId, digests: Sequence[Digest], *, keep: bool = False
    ) -> dict[Digest, int]:
        """Find the sizes of those that are there; with ``keep`` none can be purged before the commit."""
        found = self._find(uow.connection, account, digests, lock=keep)
        return {digest: place.size for digest, place in found.items()}

    def read(self, uow: UnitOfWork, account: AccountId, digest: Digest) -> bytes | None:
        """Read one whole object, if it is there. Raises UnavailableError."""
        place = self._find(uow.connection, account, [digest]).get(digest)
        if place is None:
            return None
        store = self._blobs if place.large else RowStore(uow.connection)
        return self._offload_large(place, lambda: store.read([place.name])).get(place.name)

    def get_size(self, account: AccountId, digest: Digest) -> int:
        """Find the size of an object in bytes. Raises NotFound."""
        with self._store.read() as uow:
            return self._get(uow, account, digest).size

    def get(self, account: AccountId, digest: Digest, start: int = 0, end: int | None = None) -> bytes:
        """Read bytes ``start`` to ``end`` of an object. Raises NotFound or UnavailableError."""
        with self._store.read() as uow:
            place = self._get(uow, account, digest)
            if not place.large:
                found = RowStore(uow.connection).read([place.name], start=start, end=end)
        if place.large:
            found = self._offload(lambda: self._blobs.read([place.name], start=start, end=end))
        if place.name not in found:
            raise NotFound("the object is lost: there is its row, and none of its bytes")
        return found[place.name]

    def fetch(
        self, account: AccountId, digests: Sequence[Digest], *, each: int, total: int
    ) -> list[bytes | None]:
        """Read the first ``each`` bytes of objects, as many in order as fit ``total``, but one at least.

        None stands for an object that is not there. Raises UnavailableError.
        """
        with self._store.read() as uow:
            found = self._find(uow.connection, account, digests)
            asked: list[Digest] = []
            left = total
            for digest in digests:
                left -= min(found[digest].size, each) if digest in found else 0
                if left < 0 and asked:
                    break
                asked.append(digest)
            small = [found[digest].name for digest in asked if digest in found and not found[digest].large]
            bodies = RowStore(uow.connection).read(small, end=each)
        large = [found[digest].name for digest in asked if digest in found and found[digest].large]
        if large:
            bodies |= self._offload(lambda: self._blobs.read(large, end=each))
        return [bodies.get(found[digest].name) if digest in found else None for digest in asked]

    def claim(self, uow: UnitOfWork, account: AccountId, digests: Sequence[Digest]) -> None:
        """Note that a commit names objects: they stay until they are dropped."""
        for page in pages(digests):
            named = (objects.c.account == account, objects.c.digest.in_(page))
            again = update(objects).where(*named, objects.c.dropped_at.is_not(None)).values(dropped_at=None)
            rows = uow.connection.execute(again.returning(objects.c.account, objects.c.size)).all()
            UsageRepository(uow).restore([(row.account, row.size) for row in rows])
            uow.connection.execute(update(objects).where(*named).values(claimed=True))

    def drop(self, uow: UnitOfWork, account: AccountId, digests: Sequence[Digest]) -> int:
        """Note that no commit names objects any more; returns how many there were.

        They are deleted after the grace time; until then they can be read, and claimed again. They count for
        no quota: a re-key must not fail because of the ciphertext that it has replaced.
        """
        dropped = 0
        for page in pages(digests):
            named = (objects.c.account == account, objects.c.digest.in_(page), objects.c.dropped_at.is_(None))
            query = update(objects).where(*named).values(dropped_at=uow.now)
            rows = uow.connection.execute(query.returning(objects.c.account, objects.c.size)).all()
            UsageRepository(uow).subtract([(row.account, row.size) for row in rows])
            dropped += len(rows)
        return dropped

    def delete_dropped(self, before: datetime) -> int:
        """Delete objects that were dropped before a moment; blobs follow with ``sweep``. Returns how many."""
        return self._delete(objects.c.dropped_at < before)

    def purge_unclaimed(self, before: datetime, *, account: AccountId | None = None) -> int:
        """Delete objects that were sent before a moment and that no commit names: of one account, or of all.

        Returns how many.
        """
        of_account = () if account is None else (objects.c.account == account,)
        return self._delete(*of_account, objects.c.claimed.is_(False), objects.c.stored_at < before)

    def sweep(self, before: datetime) -> int:
        """Delete blobs that have been orphans since before a moment. Returns how many."""
        swept = 0
        query = select(orphans.c.name).where(orphans.c.since < before).limit(_DELETED_AT_ONCE)
        while True:
            with self._store.read() as uow:
                names = list(uow.connection.execute(query).scalars())
            if not names:
                return swept
            self._offload(partial(self._blobs.delete, names))
            with self._store.begin() as uow:
                uow.connection.execute(delete(orphans).where(orphans.c.name.in_(names)))
            swept += len(names)

    def _make_places(self, account: AccountId, bodies: Mapping[Digest, bytes], now: datetime) -> list[_Place]:
        """Make places of new names; those of one time lie beside each other in the database."""
        moment = f"{int(now.timestamp() * 1000):012x}"
        return [
            _Place(
                digest,
                len(body),
                f"{account}/{moment}{self._random(_NAME_BYTES).hex()}",
                len(body) > MAX_ROW_BYTES,
            )
            for digest, body in sorted(bodies.items())  # neighbours lie on one page of the database
        ]

    def _get(self, uow: UnitOfWork, account: AccountId, digest: Digest) -> _Place:
        place = self._find(uow.connection, account, [digest]).get(digest)
        if place is None:
            raise NotFound("there is no such object")
        return place

    def _find(
        self, connection: Connection, account: AccountId, digests: Sequence[Digest], *, lock: bool = False
    ) -> dict[Digest, _Place]:
        found: dict[Digest, _Place] = {}
        asked = {str(digest): digest for digest in digests}  # found again as they were given
        query = _PLACES_KEPT if lock else _PLACES
        for page in pages(sorted(asked)):  # neighbours lie on one page of the database
            rows = connection.execute(query, {"account": account, "digests": page}).all()
            for digest, size, name, large in rows:
                found[asked[digest]] = _Place(asked[digest], size, name, large)
        return found

    def _look_up(
        self, uow: UnitOfWork, account: AccountId, bodies: Mapping[Digest, bytes]
    ) -> tuple[list[Digest], list[_Place]]:
        """Find which of the objects are known; give the others their places."""
        known = self._find(uow.connection, account, list(bodies))
        new = [place for place in self._make_places(account, bodies, uow.now) if place.digest not in known]
        return list(known), new

    def _count(self, uow: UnitOfWork) -> UsageRepository:
        return UsageRepository(uow, self.quota, self._is_rotating)

    def _note_orphans(self, names: Sequence[str]) -> None:
        with self._store.begin() as uow:
            rows = [{"name": name, "since": uow.now} for name in names]
            uow.connection.execute(insert(orphans), rows)

    def _refresh(self, uow: UnitOfWork, account: AccountId, digests: Sequence[Digest]) -> None:
        """What is sent again is wanted: its time until it is purged begins anew."""
        for page in pages(digests):
            uow.connection.execute(
                update(objects)
                .where(objects.c.account == account, objects.c.digest.in_(page))
                .values(stored_at=uow.now)
            )

    def _name(
        self, uow: UnitOfWork, account: AccountId, new: Sequence[_Place], bodies: Mapping[Digest, bytes]
    ) -> int:
        """Insert the rows that make objects visible, and keep those that are known for longer.

        Returns how many are new; of two that send the same one, the first counts.
        """
        if not new:
            return 0
        rows = [
            {
                "account": account,
                "digest": place.digest,
                "size": place.size,
                "name": place.name,
                "large": place.large,
                "claimed": False,
                "stored_at": uow.now,
            }
            for place in new
        ]
        named = set(uow.connection.execute(_insert_new(uow.connection.dialect.name), rows).scalars())
        self._refresh(uow, account, [place.digest for place in new if place.name not in named])
        self._count(uow).add(account, [place.size for place in new if place.name in named])
        small = [place for place in new if place.name in named and not place.large]
        RowStore(uow.connection).write({place.name: bodies[place.digest] for place in small})
        large = [place.name for place in new if place.name in named and place.large]
        self._settle(uow, large)
        return len(named)

    def _settle(self, uow: UnitOfWork, names: Sequence[str]) -> None:
        settled = 0
        for page in pages(names):
            result = uow.connection.execute(delete(orphans).where(orphans.c.name.in_(page)))
            settled += result.rowcount
        if settled != len(names):  # the write took so long that ``sweep`` has deleted it
            raise UnavailableError("storing took too long; send it again")

    def _delete(self, *which: ColumnElement[bool]) -> int:
        """Delete objects, some in each transaction: others write in between. Returns how many."""
        deleted = 0
        told = (objects.c.digest, objects.c.name, objects.c.large, objects.c.account, objects.c.size)
        query = select(*told, objects.c.dropped_at).where(*which).limit(_DELETED_AT_ONCE)
        while True:
            with self._store.begin() as uow:
                rows = uow.connection.execute(query.with_for_update()).all()
                self._delete_rows(uow, rows)
            deleted += len(rows)
            if len(rows) < _DELETED_AT_ONCE:
                return deleted
            self.pause()

    def _delete_rows(self, uow: UnitOfWork, rows: Sequence[Any]) -> None:
        if not rows:
            return
        this = (objects.c.account == bindparam("its_account"), objects.c.digest == bindparam("its_digest"))
        places = [{"its_account": row.account, "its_digest": row.digest} for row in rows]
        uow.connection.execute(delete(objects).where(*this), places)
        UsageRepository(uow).subtract([(row.account, row.size) for row in rows if row.dropped_at is None])
        RowStore(uow.connection).delete([row.name for row in rows if not row.large])
        large = [{"name": row.name, "since": uow.now} for row in rows if row.large]
        if large:
            uow.connection.execute(insert(orphans), large)

    def _offload_large(self, place: _Place, work: Callable[[], T]) -> T:
        result: T = self._offload(work) if place.large else work()
        return result
