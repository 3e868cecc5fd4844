"""The account's streams as this device has verified them; the server's word counts for nothing here.

::

    sync    ask for what follows, with one record of overlap
            the overlap differs      -> HistoryForkError, both records in fork-evidence.json
            the overlap is missing   -> RollbackError, what was seen before in rollback-evidence.json
            a new record             -> chain, signatures and transition are verified, then it is kept
    seen    what other devices signed to have seen must be here too, else RollbackError or HistoryForkError
    judged  what other streams must bear out is compared with them, at the heads that its author saw
    revoked what a revoked device said behind the back of its revocation counts only once a trusted device,
            which knew of it, went on from there
    pin     heads.json: never go back behind it, also when the copies are deleted

Spec: events.md §5, threat-model.md §4.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from threading import RLock
from typing import NoReturn

from solekey.connection.connection import Connection
from solekey.errors import (
    BadAnswerError,
    ForgedEventError,
    HistoryForkError,
    OfflineError,
    ProfileError,
    UnconfirmedEventError,
)
from solekey.files.private_folder import PrivateFolder
from solekey.progress import Progress, ignore_progress
from solekey.streams.accepted import load_withdrawn
from solekey.streams.copies import ORDER, WATCHED_EVENTS, AnyCopy, Copies, find_newest
from solekey.streams.evidence import Evidence
from solekey.streams.fetching import PAGE_EVENTS, fetch_records
from solekey.streams.lineage import find_unconfirmed_events, judge_all
from solekey.streams.records import Records
from solekey.streams.restored import find_declared
from solekey.streams.stream_copy import FOLD_EVENTS_UNDERWAY
from solekey.streams.sync_times import note_sync_times, read_sync_times
from solekey_protocol.errors import ForkError, ProtocolError
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Stream
from solekey_protocol.services import V1_STREAMS
from solekey_protocol.statements import EMPTY_HEAD, Head
from solekey_protocol.streams import AuthStream, DevicesStream, RotationStream, VaultStream

_log = logging.getLogger(__name__)


class Streams:
    """Verified copies of the four streams, kept in the profile.

    Args:
        connection: the account's.
        folder: where the copies lie; the profile's if not given.

    Attributes:
        lock: the account's lock; see `solekey.streams.exclusive`.
        on_followed: called whenever the server was followed, after everything was verified.
    """

    def __init__(self, connection: Connection, folder: PrivateFolder | None = None) -> None:
        profile = connection.profile
        self.lock = RLock()
        self.on_followed: Callable[[], None] | None = None
        self._connection = connection
        self._folder = folder or profile.folder
        self._copies = Copies(profile, connection.runtime.watch, connection.runtime.notice, self._folder)
        self._withdrawn = load_withdrawn(profile.folder, profile.account)
        self._evidence = Evidence(
            profile.folder, profile.account, connection.runtime.now, partial(find_declared, connection)
        )
        self._confirming = False
        self._copies.read_kept()
        self._note_positions()
        connection.on_not_applied = self.verify_not_rolled_back

    @property
    def auth(self) -> AuthStream:
        """Sessions and factors, as the server states them."""
        return self._copies.auth.state

    @property
    def devices(self) -> DevicesStream:
        """Who may speak for the account."""
        return self._copies.devices.state

    @property
    def vault(self) -> VaultStream:
        """Wraps, epochs and commits."""
        return self._copies.vault.state

    @property
    def rotation(self) -> RotationStream:
        """Policies and sagas."""
        return self._copies.rotation.state

    def events(self, stream: Stream) -> Records:
        """The verified events of a stream, in order, read from disk as they are asked for."""
        return self._copy(stream).events

    def head(self, stream: Stream) -> Head:
        """The last verified event of a stream."""
        head: Head = self._copy(stream).state.head
        return head

    def newest(self, stream: Stream) -> Head:
        """The last place of a stream that was ever verified on this device."""
        return find_newest(self._copy(stream))

    def heads(self, *, besides: Stream) -> dict[Stream, Head]:
        """The heads of the other streams: what a statement says to have seen."""
        found = {stream: self._copy(stream).state.head for stream in V1_STREAMS if stream is not besides}
        return {stream: head for stream, head in found.items() if head.seq}

    def sync(self, *only: Stream) -> None:
        """Bring the copies up to date, all or some; without the server, take them as they are.

        Raises:
            OfflineError: there is no server, and this device has not followed its account before.
            EvidenceError: the server shows less, other, or forged records.
            UnconfirmedEventError: a revoked device has said something since; see ``find_unconfirmed``.
        """
        wanted = [stream for stream in ORDER if not only or stream in only]
        if self._connection.is_offline:
            self._take_as_kept(wanted)
            return
        for stream in wanted:
            self.sync_one(stream)
        before: list[Head] = []
        while before != (now := [self.head(stream) for stream in ORDER]):
            before = now
            for stream in ORDER:
                self._verify_seen(stream)
        self._judge()
        self._copies.save_where_behind()
        if not self._copies.is_behind:  # else what is kept is older than now
            self._copies.keep_folds()
            note_sync_times(self._folder, wanted, self._connection.runtime.now())
        if self.on_followed is not None:
            self.on_followed()

    def find_as_of(self, *only: Stream) -> datetime | None:
        """Find as of when all or some copies are, by this device's clock; None while the server answers.

        Raises:
            OfflineError: this device has not followed its account before.
        """
        if not self._connection.is_offline:
            return None
        times = read_sync_times(self._folder)
        try:
            return min(times[stream] for stream in (only or ORDER))
        except KeyError as error:
            raise OfflineError("this device has not followed its account at the server before") from error

    @contextmanager
    def confirming(self, confirming: bool = True) -> Iterator[None]:  # reads well where it stands
        """Go on although a revoked device has said something since: for who looks at it and confirms it."""
        before, self._confirming = self._confirming, confirming or self._confirming
        try:
            yield
        finally:
            self._confirming = before

    def find_unconfirmed(self) -> list[Event]:
        """Find what revoked devices said after their revocation's author had looked, and nobody confirmed."""
        return find_unconfirmed_events(self._copies)

    def sync_one(self, stream: Stream) -> None:
        """Bring one copy up to date. Raises EvidenceError."""
        copy = self._copy(stream)
        with self._copies.lock():
            self._copies.catch_up(copy)
            before, claimed = copy.state.head.seq, self._connection.position(stream)
            if not self._follow_server(copy) and copy.state.head.seq:
                self._raise_rollback(stream, "the server has lost what it showed before")
            self._verify_pin(copy, max(claimed, self._connection.position(stream)))
            if copy.state.head.seq > before:
                _log.debug("%s: verified events %d to %d", stream, before + 1, copy.state.head.seq)
            self._copies.pin(copy)
        self._connection.note_position(stream, copy.state.head.seq)

    def _follow_server(self, copy: AnyCopy) -> bool:
        """Fetch, verify and keep what the server has beyond a copy. Returns whether it has what we have.

        What was kept is not fetched again by who is interrupted here.
        """
        stream, answered = copy.stream, False
        with ExitStack() as stack:
            progress: Progress = ignore_progress
            while page := self._fetch(stream, max(copy.state.head.seq - 1, 0)):
                left = self._connection.position(stream) - copy.state.head.seq
                if left >= WATCHED_EVENTS and progress is ignore_progress:
                    progress = stack.enter_context(self._connection.runtime.watch(f"Verifying {stream}"))
                new = self._verify_overlap(copy, page)
                self._follow(copy, new)
                self._copies.keep_fold(copy, FOLD_EVENTS_UNDERWAY)
                progress(copy.state.head.seq, self._connection.position(stream))
                answered = True
                if not new or copy.state.head.seq >= self._connection.position(stream):
                    break
        return answered

    def _follow(self, copy: AnyCopy, new: list[Event]) -> None:
        """Verify events and keep them; those before one that is refused, too."""
        try:
            for event in new:
                self._apply(copy, event)
        finally:
            self._copies.keep(copy)

    def verify_contains(self, heads: Mapping[Stream, Head]) -> None:
        """Verify that the verified copies contain heads that were pinned elsewhere, as in a recovery kit.

        Raises:
            RollbackError: the server shows less than that.
            HistoryForkError: another record at that place; both are in ``fork-evidence.json``.
        """
        for stream, pinned in heads.items():
            shown = self._copy(stream).events
            if pinned.seq > len(shown):
                self._raise_rollback(stream, f"the server shows {len(shown)} of {pinned.seq} pinned records")
            if pinned.seq and shown.find_digest(pinned.seq) != pinned.digest:
                self._evidence.raise_fork(
                    stream, pinned.seq, pinned.digest.encode(), shown[pinned.seq - 1].raw
                )

    def verify_not_rolled_back(self) -> None:
        """Verify that each service still has the last record of its own stream that this device has seen.

        A service that waits for another one's records is late. One that lacks its own was restored from an
        older copy, and waiting does not bring them back.

        Raises:
            RollbackError, HistoryForkError: with evidence in the profile.
        """
        for stream in ORDER:
            head = self._copy(stream).state.head
            if not head.seq:
                continue
            page = self._fetch(stream, head.seq - 1, limit=1, positions=False)
            if not page:
                self._raise_rollback(stream, f"the server has lost seq {head.seq}, which it showed before")
            if page[0] != self._copy(stream).events[-1].raw:
                self._evidence.raise_fork(stream, head.seq, self._copy(stream).events[-1].raw, page[0])

    def verify_room(self) -> None:
        """Verify that a statement can be kept and pinned once it is acknowledged. Raises DiskFullError."""
        self._copies.verify_room()

    def accept(self, event: Event) -> None:
        """Keep and pin the event that the server made of a statement of ours.

        Raises:
            EvidenceError: it is no event that follows.
            DiskFullError: the server has it, and it is not pinned here: nobody may rely on it yet.
        """
        copy = self._copy(event.stream)
        with self._copies.lock():
            self._copies.catch_up(copy)
            if event.seq == copy.state.head.seq + 1:
                self._follow(copy, [event])
                self._copies.save()
        self._connection.note_position(event.stream, event.seq)

    def _take_as_kept(self, wanted: Iterable[Stream]) -> None:
        """Read what another process has followed meanwhile, and judge all of it as a sync does.

        Raises:
            ProfileError: records that were verified and pinned are not there any more.
        """
        self.find_as_of(*wanted)
        for stream in ORDER:
            copy = self._copy(stream)
            with self._copies.lock():
                self._copies.catch_up(copy)
            seen = copy.state.head.seq
            if seen < copy.pin.seq or (
                copy.pin.seq and copy.events.find_digest(copy.pin.seq) != copy.pin.digest
            ):
                raise ProfileError(
                    f"{stream}: {copy.pin.seq} records were verified here; the copy has {seen}"
                )
        self._judge()

    def _copy(self, stream: Stream) -> AnyCopy:
        return self._copies[stream]

    def _fetch(
        self, stream: Stream, after: int, *, limit: int = PAGE_EVENTS, positions: bool = True
    ) -> list[bytes]:
        return fetch_records(self._connection, stream, after, limit=limit, positions=positions)

    def _verify_overlap(self, copy: AnyCopy, page: list[bytes]) -> list[Event]:
        """Verify that the page begins with the last record that we have; return what follows."""
        events = [_parse(copy.stream, raw) for raw in page]
        if not copy.events:
            return events
        ours, theirs = copy.events[-1], events[0]
        if theirs.raw != ours.raw:
            self._evidence.raise_fork(copy.stream, ours.seq, ours.raw, theirs.raw)
        return events[1:]

    def _apply(self, copy: AnyCopy, event: Event) -> None:
        stream = copy.stream
        if stream in {Stream.VAULT, Stream.ROTATION} and event.signed is not None:
            seen = event.signed.statement.heads.get(Stream.DEVICES, EMPTY_HEAD)
            if seen.seq > self.devices.head.seq:
                self._sync_devices_inside()
            if seen.seq > self.devices.head.seq:
                self._raise_rollback(
                    Stream.DEVICES, f"{stream} seq {event.seq} was said after device events that are withheld"
                )
        try:
            copy.follow(event, self.devices)
        except ForkError as error:
            ours = copy.events[-1].raw if copy.events else b""
            declared = self._evidence.write_fork(stream, event.seq, ours, event.raw)
            raise HistoryForkError(f"{stream} seq {event.seq}: {error}{declared}") from error
        except ProtocolError as error:
            raise ForgedEventError(f"{stream} seq {event.seq}: {error}") from error

    def _sync_devices_inside(self) -> None:
        """Catch up with the devices stream while another stream is being followed (the lock is held)."""
        copy = self._copies.devices
        if page := self._fetch(Stream.DEVICES, max(copy.state.head.seq - 1, 0)):
            self._follow(copy, self._verify_overlap(copy, page))

    def _judge(self) -> None:
        """Verify what ties the streams together, for all that was followed and not judged yet.

        Raises:
            ForgedEventError: a statement that the other streams do not bear out.
            UnconfirmedEventError: see ``find_unconfirmed``.
        """
        judge_all(self._copies, self._evidence)
        for device in self._withdrawn & self.devices.trusted.keys():
            self._raise_rollback(Stream.DEVICES, f"{device} is trusted, which this device has seen revoked")
        unconfirmed = self.find_unconfirmed()
        if unconfirmed and not self._confirming:
            raise UnconfirmedEventError(unconfirmed)

    def _verify_seen(self, stream: Stream) -> None:
        """Verify that what this stream's authors saw of the others is what we have."""
        for other, head in self._copy(stream).state.chain.seen.items():
            copy = self._copy(other)
            if head.seq > copy.state.head.seq:
                self.sync_one(other)
            if head.seq > copy.state.head.seq:
                self._raise_rollback(other, f"a device has seen seq {head.seq}; the server withholds it")
            if head.seq and copy.events.find_digest(head.seq) != head.digest:
                ours, witness = copy.events[head.seq - 1].raw, self._copy(stream).events[-1].raw
                self._evidence.raise_fork(other, head.seq, ours, witness)

    def _verify_pin(self, copy: AnyCopy, claimed: int) -> None:
        pin, head = copy.pin, copy.state.head
        if head.seq < max(pin.seq, claimed):
            expected = max(pin.seq, claimed)
            self._raise_rollback(copy.stream, f"the server shows {head.seq} of {expected} records")
        if pin.seq and copy.events.find_digest(pin.seq) != pin.digest:
            self._evidence.raise_fork(copy.stream, pin.seq, pin.digest.encode(), copy.events[pin.seq - 1].raw)

    def _raise_rollback(self, stream: Stream, what: str) -> NoReturn:
        copy = self._copy(stream)
        last = copy.events[-1].raw if copy.events else b""
        self._evidence.raise_rollback(stream, what, find_newest(copy), last)

    def _note_positions(self) -> None:
        for stream in V1_STREAMS:
            self._connection.note_position(stream, self._copy(stream).state.head.seq)


def _parse(stream: Stream, raw: bytes) -> Event:
    try:
        event = parse_event(raw)
    except ProtocolError as error:
        raise ForgedEventError(f"{stream}: the server sent what is no event: {error}") from error
    if event.stream is not stream:
        raise BadAnswerError(f"the server sent an event of {event.stream} for {stream}")
    return event
