"""The columns of every table. Spec: audit.md §2.4."""

from collections.abc import Mapping
from typing import Final

Columns = Mapping[str, str]
"""DuckDB's type of each column."""

_PLACE: Final = {"account": "VARCHAR", "seq": "INTEGER", "time": "TIMESTAMP"}
_MARKS: Final = {"verified": "BOOLEAN", "cause": "VARCHAR"}
"""Whether the event of the row verifies and nothing contests it; and which check says something of it."""

EVENT_TABLES: Final[Mapping[str, Columns]] = {
    name: {**_PLACE, **columns, **_MARKS}
    for name, columns in {
        "events": {
            "stream": "VARCHAR",
            "event": "VARCHAR",
            "signed_by": "VARCHAR",
            "bytes": "INTEGER",
            "digest": "VARCHAR",
        },
        "wraps": {
            "secret": "VARCHAR",
            "epoch": "INTEGER",
            "wrap_version": "INTEGER",
            "key_id": "VARCHAR",
            "wrap": "VARCHAR",
            "retired": "TIMESTAMP",
        },
        "revocations": {"what": "VARCHAR", "id": "VARCHAR", "reason": "VARCHAR"},
        "commits": {
            "commit": "INTEGER",
            "kind": "VARCHAR",
            "epoch": "INTEGER",
            "count": "INTEGER",
            "bytes": "BIGINT",
            "changes": "VARCHAR",
            "signed_by": "VARCHAR",
        },
        "rotations": {"rotation": "VARCHAR", "step": "VARCHAR", "kind": "VARCHAR"},
        "rotations_due": {
            "kind": "VARCHAR",
            "since": "TIMESTAMP",
            "due_cause": "VARCHAR",
            "enforcement": "VARCHAR",
        },
        "sessions": {
            "session": "VARCHAR",
            "device": "VARCHAR",
            "factor": "VARCHAR",
            "expires_at": "TIMESTAMP",
            "ended": "TIMESTAMP",
            "reason": "VARCHAR",
        },
    }.items()
}
"""One row an event of some types."""

OTHER_TABLES: Final[Mapping[str, Columns]] = {
    "devices": {
        "account": "VARCHAR",
        "device": "VARCHAR",
        "platform": "VARCHAR",
        "status": "VARCHAR",
        "enrolled_at": "INTEGER",
        "trusted_at": "INTEGER",
        "revoked_at": "INTEGER",
    },
    "accounts": {
        "account": "VARCHAR",
        "pinned": "BOOLEAN",
        "founded": "BOOLEAN",
        "events": "INTEGER",
        "verified": "INTEGER",
        "auth": "INTEGER",
        "devices": "INTEGER",
        "vault": "INTEGER",
        "rotation": "INTEGER",
        "trusted_devices": "INTEGER",
        "revoked_devices": "INTEGER",
        "live_wraps": "INTEGER",
        "commits": "INTEGER",
        "findings": "INTEGER",
    },
    "fields": {"event": "VARCHAR", "field": "VARCHAR", "count": "BIGINT", "longest": "INTEGER"},
    "findings": {
        "check": "VARCHAR",
        "code": "VARCHAR",
        "account": "VARCHAR",
        "stream": "VARCHAR",
        "seq": "BIGINT",
        "detail": "VARCHAR",
        "topic": "VARCHAR",
        "partition": "INTEGER",
        "offset": "BIGINT",
        "is_notice": "BOOLEAN",
    },
    "coverage": {
        "check": "VARCHAR",
        "title": "VARCHAR",
        "looked_at": "BIGINT",
        "counts": "VARCHAR",
        "findings": "BIGINT",
        "result": "VARCHAR",
        "needs": "VARCHAR",
    },
    "about": {"name": "VARCHAR", "value": "VARCHAR"},
}
"""One row an account, a device of one, a field, a finding, a check; and what was looked at."""

TABLES: Final[Mapping[str, Columns]] = {**EVENT_TABLES, **OTHER_TABLES}
