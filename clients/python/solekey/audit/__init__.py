"""Audit: from the event log alone, what happened to keys and devices, and whether anybody cheated.

Nothing here needs the server, an account or a secret. With public keys pinned elsewhere the verdict does
not depend on the operator at all. Spec: audit.md.

``sources`` where a log comes from · ``pins`` what users vouch for · ``bounds`` what an operator keeps ·
``catalogue`` the checks · ``verify``, ``engine`` and ``checks`` the verdict · ``report`` its words ·
``tables`` a verified log on disk, for pandas · ``leaks`` a search for secrets in every spelling.
"""

from typing import TYPE_CHECKING

from solekey.lazy_names import import_when_used

if TYPE_CHECKING:
    from solekey.audit.bounds import Bounds
    from solekey.audit.catalogue import Check
    from solekey.audit.leaks import Leak, find_leaks
    from solekey.audit.opened import OpenedAudit
    from solekey.audit.pins import Pin, read_pins
    from solekey.audit.report import AccountReport, Coverage, Finding, Report, Result, Verdict
    from solekey.audit.sources import Log, LogError, Record, export_log, open_log, read_log
    from solekey.audit.tables.tables import Tables
    from solekey.audit.verify import verify_log

__all__ = [
    "AccountReport",
    "Bounds",
    "Check",
    "Coverage",
    "Finding",
    "Leak",
    "Log",
    "LogError",
    "OpenedAudit",
    "Pin",
    "Record",
    "Report",
    "Result",
    "Tables",
    "Verdict",
    "export_log",
    "find_leaks",
    "open_log",
    "read_log",
    "read_pins",
    "verify_log",
]

_HOMES = {
    "AccountReport": "report",
    "Bounds": "bounds",
    "Check": "catalogue",
    "Coverage": "report",
    "Finding": "report",
    "Leak": "leaks",
    "Log": "sources",
    "LogError": "sources",
    "OpenedAudit": "opened",
    "Pin": "pins",
    "Record": "sources",
    "Report": "report",
    "Result": "report",
    "Tables": "tables.tables",
    "Verdict": "report",
    "export_log": "sources",
    "find_leaks": "leaks",
    "open_log": "sources",
    "read_log": "sources",
    "read_pins": "pins",
    "verify_log": "verify",
}

__getattr__ = import_when_used(__name__, _HOMES)  # `solekey --help` names `audit` and needs none of them
