"""An audit that goes on from an archive: what it goes through, and what it keeps. Spec: audit.md §2.6.

An account is gone through again, from the records that are kept, where anything is new that could change the
answer: a record, a pin, the bounds, this program, a key of the platform's. Of all others the answer is taken
over as it was. Signatures are not verified again up to where an account's streams were verified.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import msgspec

from solekey.audit.archive.archive import Archive, Subject
from solekey.audit.archive.bus_memory import encode_bus_memory, take_bus_memory
from solekey.audit.archive.errors import ArchiveContinuesError, ArchiveError
from solekey.audit.archive.following import follow
from solekey.audit.archive.results import decode_result
from solekey.audit.archive.subjects import KeptSubjects, SubjectResult
from solekey.audit.archive.verdict import KeptRange, Point, describe_bounds, describe_bus
from solekey.audit.bounds import Bounds
from solekey.audit.bundle.bundle_state import encode_bundle_state, take_bundle_state
from solekey.audit.checks.bus import BusMemory
from solekey.audit.checks.signing_keys import find_loss
from solekey.audit.engine.context import Context
from solekey.audit.engine.provenance import CATALOGUE, Reading, find_tool
from solekey.audit.engine.result import PartResult
from solekey.audit.engine.spill import Part, find_part
from solekey.audit.report import Report
from solekey.audit.sources.log import BundleState, Log, Record
from solekey_protocol.errors import ProtocolError
from solekey_protocol.event import Event
from solekey_protocol.ids import SYSTEM_ACCOUNT, AccountId, Digest, Timestamp

SYSTEM: Final = SYSTEM_ACCOUNT.encode()
_OF_THE_BUS: Final = ("clocks", "publication")
"""Bounds by which records were judged that are not kept with their keys and times."""


class GoingOn:
    """One audit that goes on from an archive, or begins it.

    Args:
        archive: the archive.
        bounds: what an honest operator keeps; its ``now`` is set.

    Raises:
        ArchiveError: the archive cannot be read.
        ArchiveContinuesError: the bounds are others than those that records were judged by.
    """

    def __init__(self, archive: Archive, bounds: Bounds) -> None:
        self._archive = archive
        self._bounds = bounds
        self.point: Point | None = archive.before.point if archive.before else None
        self.memory = BusMemory()
        self._kept_bundles: list[BundleState] = []
        if self.point is not None:
            self._verify_bounds(self.point)
            self._take_state()
        self._again: set[bytes] = set()
        self.folded = 0

    def _verify_bounds(self, point: Point) -> None:
        ours = describe_bounds(self._bounds)
        for name in _OF_THE_BUS:
            if ours[name] != point.bounds.get(name):
                raise ArchiveContinuesError(
                    f"{self._archive.path}: the bus was judged by another bound ({name}: "
                    f"{point.bounds.get(name)} s, not {ours[name]} s)"
                )

    def _take_state(self) -> None:
        try:
            self.memory = take_bus_memory(self._archive.read_document("bus"))
            self._kept_bundles = [take_bundle_state(each) for each in self._archive.read_document("bundles")]
        except (ValueError, TypeError, KeyError, AttributeError, ProtocolError) as error:
            raise ArchiveError(f"{self._archive.path}: {error}") from error

    @property
    def digest(self) -> Digest | None:
        """The digest of the verdict that is gone on from; None where the archive begins."""
        return self._archive.before.digest if self._archive.before else None

    @property
    def records(self) -> int:
        """How many records the archive holds."""
        return self.point.records if self.point else 0

    def follow(self, log: Log | Iterable[bytes]) -> Log | Iterable[bytes] | Iterator[Record]:
        """What of a log is to be read. Raises ArchiveContinuesError as it is read."""
        return log if self.point is None else follow(log, self.point)

    def join_bundles(self, bundles: Sequence[BundleState]) -> list[BundleState]:
        """All bundles from the first one on, of which these are the last."""
        self._bundles = [*self._kept_bundles, *bundles]
        return self._bundles

    def remember_bus(self) -> None:
        """Keep what the checks of the bus know of the records, before they conclude about the whole bus."""
        self._bus_memory = msgspec.json.decode(encode_bus_memory(self.memory))

    def find_system(self, new: Sequence[tuple[int, Record]]) -> list[tuple[int, Record]]:
        """The records of the platform's own account, all of them; ``new`` are those that were read."""
        return [*self._keep_system().records(SYSTEM), *new]

    def _keep_system(self) -> KeptSubjects:
        system = self._archive.find(SYSTEM)
        return KeptSubjects(self._archive.path, {SYSTEM: system.digest} if system else {})

    def plan(
        self,
        context: Context,
        parts: Sequence[Part],
        new: frozenset[bytes],
        keys: tuple[Sequence[Event], Sequence[Event]],
    ) -> tuple[list[Part], Context]:
        """Plan which accounts are gone through.

        Args:
            context: what accounts are verified with.
            parts: the new records.
            new: whose they are.
            keys: the platform's own events, as the archive has them and as they are now.

        Returns:
            The parts, with the accounts of the archive that are gone through again; and the context, with
            the heads up to which these were verified.
        """
        must = _Again(self.point, context, find_loss(*keys, self._bounds)) if self.point else None
        digests: dict[int, dict[bytes, str]] = {}
        heads = dict(context.seen)
        for each in self._archive.subjects():
            if each.subject == SYSTEM:
                heads |= each.heads
            elif each.subject in new or must is None or must.applies(each):
                digests.setdefault(find_part(each.subject), {})[each.subject] = each.digest
                self._again.add(each.subject)
                heads |= each.heads
        by_number = {part.number: part for part in parts}
        planned = []
        for number in sorted(by_number.keys() | digests.keys()):
            part = by_number.get(number) or Part(number, None, b"", ())
            kept = KeptSubjects(self._archive.path, digests.get(number, {}))
            planned.append(replace(part, kept=kept))
        return planned, replace(context, seen=heads)

    def take_over(self, result: PartResult) -> None:
        """Add what came of the accounts that nothing has changed."""
        for each in self._archive.subjects():
            if each.subject == SYSTEM or each.subject in self._again or each.result is None:
                continue
            try:
                result.merge(decode_result(each.result))
            except (msgspec.DecodeError, ProtocolError, ValueError, TypeError) as error:
                raise ArchiveError(f"{self._archive.path}: {each.subject!r}: {error}") from error

    def keep(self, found: Iterable[SubjectResult], context: Context) -> None:
        """Keep what came of accounts."""
        for each in found:
            self.folded += each.subject != SYSTEM
            self._archive.put(each, digest_pin(context, each.subject))

    def conclude(self, report: Report, reading: Reading, log: Log | Iterable[bytes]) -> None:
        """Sign what is known now; a bundle that is not as it was made leaves the archive as it was."""
        if any(each.check.startswith("BUN") for each in report.findings):
            return
        provenance = report.provenance
        assert provenance is not None  # noqa: S101  # verify_log always says it
        before, bus = self.point, None if isinstance(log, Iterable) else log.bus
        names = [Digest(each.name) for each in self._bundles]
        assert self._bounds.now is not None  # noqa: S101  # as __init__ says
        point = Point(
            auditor=self._archive.auditor,
            number=before.number + 1 if before else 1,
            before=self.digest,
            made_at=provenance.made_at,
            now=Timestamp.from_datetime(self._bounds.now),
            verdict=report.verdict.value,
            bounds=describe_bounds(self._bounds),
            tool=provenance.tool,
            catalogue=provenance.catalogue,
            records=report.records,
            bundle=names[-1] if names else None,
            bus=describe_bus(bus),
            ranges=self.join_ranges(reading),
            ends={} if bus is None else {place: extent.end for place, extent in bus.ranges().items()},
        )
        bundles = [encode_bundle_state(each) for each in self._bundles]
        self._archive.sign(point, [("bus", self._bus_memory), ("bundles", bundles)])

    def join_ranges(self, reading: Reading) -> tuple[KeptRange, ...]:
        """The offsets of each partition, those of the archive and those that were read."""
        kept = {(each.topic, each.partition): each for each in (self.point.ranges if self.point else ())}
        for each in reading.ranges():
            place = (each.topic, each.partition)
            before, digest = kept.get(place), reading.last_digest(*place)
            first, last, count = each.first, each.last, each.records
            if before is not None:
                first, count = min(before.first, first), before.records + count
                last, digest = max((before.last, before.digest), (last, digest))
            kept[place] = KeptRange(*place, first, last, count, digest)
        return tuple(kept[place] for place in sorted(kept))


class _Again:
    """Whether an account has to be gone through again, although nothing of it is new."""

    def __init__(self, point: Point, context: Context, loss: datetime | None) -> None:
        bounds = context.bounds
        assert bounds.now is not None  # noqa: S101  # verify_log sets it
        self._context = context
        self._loss = loss
        self._all = (
            context.stored is not None  # OBJ-01 to OBJ-05 are about all that is stored
            or context.rows is not None  # tables have all events
            or dict(point.bounds) != describe_bounds(bounds)
            or (point.tool, point.catalogue) != (find_tool(), CATALOGUE)
            or bounds.now < point.now.datetime
        )

    def applies(self, each: Subject) -> bool:
        if self._all or each.result is None or each.pin != digest_pin(self._context, each.subject):
            return True
        return self._loss is not None and each.last is not None and each.last.datetime >= self._loss


def digest_pin(context: Context, subject: bytes) -> str:
    """A digest of what the user of an account vouches for; an empty text where nobody does."""
    try:
        pin = context.pins.get(AccountId(subject.decode(errors="replace")))
    except ProtocolError:
        return ""
    if pin is None:
        return ""
    listed: Any = msgspec.json.encode(pin, enc_hook=str, order="deterministic")
    return hashlib.sha256(listed).hexdigest()
