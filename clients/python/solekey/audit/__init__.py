"""Audit: from the event log alone, what happened to keys and devices, and whether anybody cheated.

Nothing here needs the server, an account or a secret. With public keys pinned elsewhere the verdict does
not depend on the operator at all. Spec: audit.md.

``sources`` where a log comes from · ``verify`` the verdict · ``report`` its words · ``frames`` tables for
pandas ·
``leaks`` a search for secrets in every spelling a secret shows up in.
"""

from typing import TYPE_CHECKING

from solekey.lazy_names import import_when_used

if TYPE_CHECKING:
    from solekey.audit.leaks import Leak, find_leaks
    from solekey.audit.report import AccountReport, Finding, Report
    from solekey.audit.sources import LogError, export_log, read_log
    from solekey.audit.verify import Pin, verify_log

__all__ = [
    "AccountReport",
    "Finding",
    "Leak",
    "LogError",
    "Pin",
    "Report",
    "export_log",
    "find_leaks",
    "read_log",
    "verify_log",
]

_HOMES = {
    "AccountReport": "report",
    "Finding": "report",
    "Leak": "leaks",
    "LogError": "sources",
    "Pin": "verify",
    "Report": "report",
    "export_log": "sources",
    "find_leaks": "leaks",
    "read_log": "sources",
    "verify_log": "verify",
}

__getattr__ = import_when_used(__name__, _HOMES)  # `solekey --help` names `audit` and needs none of them
