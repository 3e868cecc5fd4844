"""Bundles that continue each other, as one log. Spec: audit-bundle.md §5."""

from collections.abc import Iterator, Sequence

from solekey.audit.bundle.errors import BundleContinuesError
from solekey.audit.bundle.reader import BundleLog
from solekey.audit.bundle.stored import StoredList
from solekey.audit.sources.log import BundleState, BusState, Ranges, Record


class JoinedLog:
    """Bundles, each of which continues the one before.

    Args:
        bundles: the bundles in their order.
        after: the name of the bundle that the first one continues; None: it is the first of all.

    Raises:
        BundleContinuesError: one of them is missing, or they stand in another order.
    """

    def __init__(self, bundles: Sequence[BundleLog], after: str | None = None) -> None:
        expected = after
        for bundle in bundles:
            if bundle.manifest.prev != expected:
                named = bundle.manifest.prev or "none"
                raise BundleContinuesError(
                    f"{bundle.name} continues the bundle {named}, not {expected or 'none'}"
                )
            expected = bundle.digest
        self._bundles = bundles
        self.name = ", ".join(bundle.name for bundle in bundles)

    @property
    def total(self) -> int:
        """How many records the manifests state."""
        return sum(bundle.total for bundle in self._bundles)

    @property
    def bus(self) -> BusState:
        """The bus, when the last one was exported."""
        return self._bundles[-1].bus

    @property
    def objects(self) -> StoredList | None:
        """What the vault had stored, when the last one was exported."""
        return self._bundles[-1].objects

    @property
    def bundles(self) -> Sequence[BundleState]:
        """See Log.bundles."""
        return [state for bundle in self._bundles for state in bundle.bundles]

    def records(self, ranges: Ranges | None = None) -> Iterator[Record]:
        """See Log.records."""
        for bundle in self._bundles:
            yield from bundle.records(ranges)
