"""The vault's HTTP API without a framework. Spec: vault.md §8, openapi."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Final

from sqlalchemy import select

from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.encoding import Cbor, Json
from solekey_protocol.errors import MalformedError
from solekey_protocol.event import Event
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.rotation import RotationAborted, RotationCommitted, RotationStarted
from solekey_protocol.ids import AccountId, Digest, compute_digest
from solekey_protocol.limits import KIB, MAX_BATCH_BYTES, MAX_BATCH_OBJECTS, MAX_PART_BYTES
from solekey_protocol.streams import AuthStream, RotationStream, VaultStream, WrapRecord
from solekey_protocol.wrap import parse_wrap_header
from solekey_service.clock_watch import ClockWatch
from solekey_service.http import (
    Request,
    Response,
    cbor_response,
    empty_response,
    expect_members,
    json_response,
    parse_cbor_body,
    parse_json_body,
)
from solekey_service.kernel import Kernel
from solekey_service.refusals import BadRequest
from solekey_service.stored_list import Row
from solekey_service.stream_api import StreamApi
from solekey_service.worker_process import WorkerProcess
from solekey_vault.blobs import open_blob_store
from solekey_vault.change_lists import DEADLINE_S, ChangeLists
from solekey_vault.closed_account_repository import ClosedAccountRepository
from solekey_vault.config import VaultConfig
from solekey_vault.history_collector import HistoryCollector
from solekey_vault.history_limits import HistoryLimitsRepository, encode_stated
from solekey_vault.item_repository import rebuild_items
from solekey_vault.object_repository import ObjectRepository
from solekey_vault.objects import ObjectStore, storing
from solekey_vault.purge import Purge
from solekey_vault.ranges import parse_range
from solekey_vault.refusals import DigestMismatch, WrapMismatch
from solekey_vault.stale_upload_repository import StaleUploadRepository
from solekey_vault.statements import VaultStatements
from solekey_vault.store_check import require_object_store
from solekey_vault.stored_rows import list_blobs, list_objects, list_wraps
from solekey_vault.usage_repository import ROTATION_FACTOR
from solekey_vault.wrap_repository import MAX_UNCLAIMED_WRAPS, WrapRepository

_HASHED_HERE_BYTES: Final = 64 * KIB
"""What is longer is hashed in a native thread; for less, the way there takes longer than the hash."""


class VaultApi(StreamApi[VaultConfig]):
    """Answers requests for one account at a time: the caller's."""

    def __init__(
        self,
        kernel: Kernel[VaultConfig],
        *,
        blobs: ObjectStore | None = None,
        worker: WorkerProcess | None = None,
    ) -> None:
        """Make the Api; ``blobs`` and ``worker`` are the configuration's where none are given.

        Raises:
            ConfigError: the object store is lost, not the one that the database was used with, or refuses us.
            UnavailableError: the object store does not answer.
        """
        config = kernel.config
        if blobs is None:
            blobs = open_blob_store(config.object_store_url, reserve_bytes=config.object_store_reserve_bytes)
            blobs.require_access()
            require_object_store(kernel, blobs)
        self._offload = kernel.threads.offload
        self._blobs = blobs
        self._offline = {} if config.offline_reading else {"Solekey-Offline": "forbidden"}
        self.objects = ObjectRepository(
            kernel.store,
            blobs,
            kernel.random,
            self._offload,
            config.quota,
            kernel.threads.pause,
            self._is_rotating,
        )
        self._clock_watch = ClockWatch(kernel.clock, settle_first=True)
        self._purge = Purge(kernel.store, self.objects, timedelta(days=config.grace_days))
        self._collector = HistoryCollector(kernel.store, kernel.streams, self.objects, config.history_limits)
        self.lists = ChangeLists(kernel.store, self.objects, worker or _make_worker(), kernel.threads.pause)
        statements = VaultStatements(
            kernel.streams, self.objects, self.lists, most_wraps=config.account_wraps
        )
        super().__init__(kernel, statements)

    def find_free_bytes(self) -> int | None:
        """Find how much room the disk of the large objects has; None where they lie in a bucket."""
        return self._blobs.find_free_bytes()

    def list_stored(self) -> Iterator[Row]:
        """Yield what the vault has stored, for an auditor: digests and sizes, and the change lists."""
        yield from super().list_stored()
        yield from list_wraps(self.kernel.store)
        yield from list_objects(self.kernel.store, self._blobs)
        yield from list_blobs(self.kernel.store, self._blobs)

    def put_wrap(self, request: Request, digest: str) -> Response:
        """Keep the bytes of a wrap until a statement names them.

        Raises:
            DigestMismatch, WrapMismatch, StorageFull, QuotaExceeded
        """
        verified = self._verify_digest(digest, request.body)
        try:
            parse_wrap_header(request.body)
        except MalformedError as error:
            raise WrapMismatch(str(error)) from error
        with storing(), self.kernel.store.begin() as uow:
            account = request.authenticated.account
            factor = ROTATION_FACTOR if self._is_rotating(uow, account) else 1
            WrapRepository(uow).put(account, verified, request.body, factor * MAX_UNCLAIMED_WRAPS)
        return empty_response()

    def get_wraps(self, request: Request) -> Response:
        """Send every live wrap, by secret, epoch and version; a pending device needs them to unlock."""
        return self._send_wraps(request, lambda wrap: wrap.retired_at is None)

    def get_retired_wraps(self, request: Request) -> Response:
        """Send the retired wraps whose grace time is not over, by secret, epoch and version."""
        return self._send_wraps(request, lambda wrap: wrap.retired_at is not None)

    def put_object(self, request: Request, digest: str) -> Response:
        """Keep one object. Raises DigestMismatch, StorageFull, QuotaExceeded, RateLimited."""
        verified = self._verify_digest(digest, request.body)
        self.objects.put(request.authenticated.account, {verified: request.body})
        return empty_response()

    def get_object(self, request: Request, digest: str) -> Response:
        """Send an object, or one range of it. Raises NotFound, RangeNotSatisfiable."""
        account, wanted = request.authenticated.account, Digest(digest)
        asked = request.headers.combined("Range")
        if "Range" not in request.headers:
            body = self.objects.get(account, wanted)
            return Response(200, body, "application/octet-stream", {"Accept-Ranges": "bytes"})
        part = parse_range(asked, self.objects.get_size(account, wanted))
        body = self.objects.get(account, wanted, part.start, part.end)
        return Response(206, body, "application/octet-stream", {"Content-Range": part.content_range})

    def post_objects(self, request: Request) -> Response:
        """Keep a batch of small objects, all or none.

        Raises:
            BadRequest, StorageFull, QuotaExceeded, RateLimited
        """
        bodies: list[bytes] = []
        match parse_cbor_body(request):
            case {"objects": [*values], **rest} if not rest and len(values) <= MAX_BATCH_OBJECTS:
                bodies = [value for value in values if isinstance(value, bytes) and value]
                if len(bodies) != len(values):
                    raise BadRequest("body.objects: expected byte strings that are not empty")
            case _:
                raise BadRequest(f"body: expected exactly 'objects', at most {MAX_BATCH_OBJECTS}")
        digests = self._offload(lambda: {compute_digest(body): body for body in bodies})
        return json_response(200, {"stored": self.objects.put(request.authenticated.account, digests)})

    def post_missing(self, request: Request) -> Response:
        """Tell which objects still have to be sent, so that an upload can be resumed."""
        document = expect_members(parse_json_body(request), ("digests",))
        digests = _parse_digests(document["digests"])
        with self.kernel.store.read() as uow:
            found = self.objects.find_sizes(uow, request.authenticated.account, digests)
        return json_response(200, {"missing": [digest for digest in digests if digest not in found]})

    def post_fetch(self, request: Request) -> Response:
        """Send many objects, or the first bytes of each: as many of the request as fit, at least one."""
        document = expect_members(parse_json_body(request), ("digests",), ("max_bytes_each",))
        digests = _parse_digests(document["digests"])
        each = document.get("max_bytes_each", MAX_PART_BYTES)
        if not isinstance(each, int) or isinstance(each, bool) or not 1 <= each <= MAX_PART_BYTES:
            raise BadRequest(f"body.max_bytes_each: expected an integer from 1 to {MAX_PART_BYTES}")
        account = request.authenticated.account
        bodies = self.objects.fetch(account, digests, each=each, total=MAX_BATCH_BYTES)
        return cbor_response(200, {"objects": bodies})

    def get_limits(self, request: Request) -> Response:  # noqa: ARG002  # the same for all accounts
        """Tell how long replaced versions are kept, and were kept before."""
        with self.kernel.store.read() as uow:
            stated = HistoryLimitsRepository(uow).read(self._collector.limits)
        return json_response(200, {"history": [encode_stated(since, limits) for since, limits in stated]})

    def collect_history(self) -> int:
        """Collect the replaced versions that are over the operator's limits. Returns how many.

        None is collected while the clock cannot be trusted.
        """
        self._collector.note_limits()
        now = self._clock_watch.find_now()
        return 0 if now is None else self._collector.collect(now)

    def purge_unclaimed(self) -> int:
        """Delete what nothing names, and what is over its grace time. Returns how much.

        Nothing while the clock cannot be trusted: a grace time that seems to be over may have just begun.
        """
        now = self._clock_watch.find_now()
        return 0 if now is None else self._purge.run(now)

    def rebuild_items(self, progress: Callable[[str], None] = lambda _: None) -> int:
        """Make the read model from zero, in one transaction; return of how many accounts.

        Args:
            progress: told when an account is begun.

        Raises:
            LookupError: a change list is gone; nothing was changed.
        """
        with self.kernel.store.begin() as uow:
            return self.rebuild_items_in(uow, progress)

    def rebuild_items_in(self, uow: UnitOfWork, progress: Callable[[str], None]) -> int:
        """Make the read model from zero, in this transaction; see `rebuild_items`."""
        events = self.kernel.store.tables.events
        accounts = uow.connection.execute(select(events.c.account).distinct()).scalars().all()
        kept = [AccountId(account) for account in accounts if not self._is_closed(uow, account)]

        def read_events() -> Iterator[Event]:
            for number, account in enumerate(kept, start=1):
                progress(f"account {number} of {len(kept)}")
                yield from uow.events(account)

        rebuild_items(uow.connection, read_events(), partial(self._read_changes, uow))
        return len(kept)

    def note_closed(self, uow: UnitOfWork, event: Event) -> None:
        """Note an account that was closed, for the purge (a reaction)."""
        ClosedAccountRepository(uow).note(event.account)

    def note_rotation(self, uow: UnitOfWork, event: Event) -> None:
        """Note how far a re-key is, for the purge (a reaction)."""
        stale = StaleUploadRepository(uow)
        match event.body:
            case RotationStarted(rotation, RotationKind.DATA_KEY):
                stale.note_start(event.account, rotation, event.time.datetime)
            case RotationCommitted(rotation):
                stale.note_commit(event.account, rotation)
            case RotationAborted(rotation):
                stale.forget(event.account, rotation)

    def _send_wraps(self, request: Request, wanted: Callable[[WrapRecord], bool]) -> Response:
        account = request.authenticated.account
        with self.kernel.store.read() as uow:
            vault = self.kernel.streams.fold(uow, account, VaultStream)
            ordered = [vault.wraps[place] for place in sorted(vault.wraps)]
            digests = [wrap.wrapped.wrap for wrap in ordered if wanted(wrap)]
            bodies = WrapRepository(uow).find(account, digests)
        found: list[Cbor] = [bodies[digest] for digest in digests if digest in bodies]
        return cbor_response(200, {"wraps": found}, self._offline)

    def _is_rotating(self, uow: UnitOfWork, account: AccountId) -> bool:
        return self.kernel.streams.fold_parked(uow, account, RotationStream).open is not None

    def _is_closed(self, uow: UnitOfWork, account: str) -> bool:
        return self.kernel.streams.fold_parked(uow, AccountId(account), AuthStream).closed

    def _read_changes(self, uow: UnitOfWork, account: AccountId, digest: Digest) -> bytes:
        body = self.objects.read(uow, account, digest)
        if body is None:
            raise LookupError(f"{account}: change list {digest} is gone")
        return body

    def _verify_digest(self, claimed: str, body: bytes) -> Digest:
        if len(body) <= _HASHED_HERE_BYTES:
            actual = compute_digest(body)
        else:
            actual = self._offload(lambda: compute_digest(body))
        if not body or actual != claimed:
            raise DigestMismatch("the body's SHA-256 is not the path's digest")
        return actual


def _make_worker() -> WorkerProcess:
    return WorkerProcess("solekey_vault.long_lists", deadline_s=DEADLINE_S)


def _parse_digests(value: Json) -> list[Digest]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_BATCH_OBJECTS:
        raise BadRequest(f"body.digests: expected 1 to {MAX_BATCH_OBJECTS} digests")
    return [Digest(str(digest)) for digest in value]
