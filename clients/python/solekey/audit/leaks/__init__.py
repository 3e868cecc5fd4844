"""A search for secrets in every spelling in which a secret shows up. Spec: audit.md §4.

``spellings`` how a secret may be written · ``layers`` what is compressed or encoded is opened ·
``search`` looks for all spellings of all secrets at once.

A search that finds nothing proves something only beside a search that finds what was planted: see
tests/unit/client/audit.
"""

from solekey.audit.leaks.search import Leak, find_leaks, read_places

__all__ = ["Leak", "find_leaks", "read_places"]
