"""A bundle is what its exporter made: BUN-01 to BUN-04. Spec: audit.md §3, audit-bundle.md §4."""

from collections.abc import Sequence

from solekey.audit.bounds import Bounds
from solekey.audit.bundle.manifest import verify_manifest
from solekey.audit.report import Finding, Tally
from solekey.audit.sources.log import BundleState


def check_bundles(bundles: Sequence[BundleState], bounds: Bounds, tally: Tally) -> None:
    """Conclude about bundles whose records were read; each continues the one before."""
    ends: dict[tuple[str, int], int] = {}
    for bundle in bundles:
        _check_signature(bundle, bounds, tally)
        _check_files(bundle, tally)
        _check_ranges(bundle, ends, tally)
        if bundle.has_own_schemas is not None:
            tally.look("BUN-04")
        if bundle.has_own_schemas is False:
            detail = "the exporter's schemas are of another release; those of this one are enforced"
            _notice(tally, "BUN-04", "schemas_differ", detail)


def _check_signature(bundle: BundleState, bounds: Bounds, tally: Tally) -> None:
    if bounds.exporter is None:
        return
    tally.look("BUN-01")
    wrong = verify_manifest(bundle.manifest, bundle.signature, bounds.exporter)
    if wrong is not None:
        tally.find("BUN-01", "bundle_unsigned", None, "bundle", None, f"{bundle.name}: {wrong}")


def _check_files(bundle: BundleState, tally: Tally) -> None:
    tally.look("BUN-02", bundle.files)
    for path, what in sorted(bundle.damaged.items()):
        tally.find("BUN-02", "file_changed", None, "bundle", None, f"{path}: {what}")
    for path in bundle.unlisted:
        detail = f"{path[:200]}: the manifest does not state this file, and it was not read"
        _notice(tally, "BUN-02", "file_unlisted", detail)


def _check_ranges(bundle: BundleState, ends: dict[tuple[str, int], int], tally: Tally) -> None:
    for log, extent in bundle.bus.ranges().items():
        tally.look("BUN-03")
        start = max(ends.get(log, 0), extent.start)
        found = bundle.ranges.get(log)
        if found is None or (found.start, found.end) != (start, extent.end):
            held = f"{found.start} to {found.end}" if found else "nothing"
            detail = (
                f"{log[0]}-{log[1]}: expected offsets {start} to {extent.end}, the manifest states {held}"
            )
            tally.find("BUN-03", "range_missing", None, "bundle", None, detail)
        ends[log] = extent.end


def _notice(tally: Tally, check: str, code: str, detail: str) -> None:
    tally.notices.append(Finding(check, code, None, "bundle", None, detail))
