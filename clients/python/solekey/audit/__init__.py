"""Audit: from the event log alone, what happened to keys and devices, and whether anybody cheated.

Nothing here needs the server, an account or a secret. With public keys pinned elsewhere the verdict does
not depend on the operator at all. Spec: audit.md.

``sources`` where a log comes from · ``verify`` the verdict · ``report`` its words · ``frames`` tables for
pandas ·
``leaks`` a search for secrets in every spelling a secret shows up in.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `solekey --help` names `audit` and needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
