"""What a report says, read from the tables of a verified log: plain values for a page and for print."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from solekey.audit.catalogue import FAMILIES, LIMITS
from solekey.audit.document.plots import draw_growth, draw_lifelines
from solekey.audit.document.words import GLOSSARY, METHOD, VERDICTS
from solekey.audit.tables.tables import Tables
from solekey_protocol.ids import SYSTEM_ACCOUNT

Row = Mapping[str, object]

MAX_ROWS: Final = 200
"""Rows of a table that is read by people; the others are counted, and are in the tables."""
MAX_LIFELINES: Final = 24
SHORT: Final = 12
"""Characters of an id in the body; the appendix has them whole."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The first rows of a table, and how many it has."""

    rows: Sequence[Row]
    total: int

    @property
    def left_out(self) -> int:
        """How many are not shown."""
        return self.total - len(self.rows)


@dataclass(frozen=True, slots=True)
class Contents:
    """A report.

    Attributes:
        verdict: clean, violations or cannot_tell.
        verdict_name, verdict_meaning: in words.
        doubts: why nothing can be concluded, where that is the verdict.
        subject: what was looked at, and with what: label and value.
        ranges: the offsets of each partition that were read.
        coverage: each check that was run: what it looked at and found.
        not_run: each check that lacked its input, and what it needs.
        findings, notices: the worst first.
        revocations: each revoked device, and how long its last session went on, in seconds.
        wraps: the accounts with the most wrap versions.
        wrap_spread: how many accounts have so many wrap versions.
        rotations: each rotation, from its start to its end.
        dues: each rotation that was stated to be due.
        accounts: how many there are, by what vouches for them.
        lifelines, growth: pictures, as SVG; empty where there is nothing to draw.
        covert: how many bits the operator could have hidden in what he states: in all, in one account, and by
            type and field; and how many digests there are of bytes that are not in the log.
        ids: the whole id of each that is shown short.
    """

    verdict: str
    verdict_name: str
    verdict_meaning: str
    doubts: Sequence[str]
    subject: Sequence[tuple[str, str]]
    ranges: Sequence[Row]
    coverage: Sequence[Row]
    not_run: Sequence[Row]
    findings: Listing
    notices: Listing
    revocations: Listing
    wraps: Listing
    wrap_spread: Sequence[Row]
    rotations: Listing
    dues: Listing
    accounts: Mapping[str, int]
    lifelines: str
    growth: str
    covert: Mapping[str, Any]
    ids: Sequence[str]
    limits: Sequence[str] = LIMITS
    method: Sequence[str] = METHOD
    glossary: Mapping[str, str] = field(default_factory=lambda: GLOSSARY)


def collect_contents(tables: Tables) -> Contents:
    """Read what a report says. Raises LogError where the file is not of an audit."""
    about = tables.about()
    name, meaning = VERDICTS[about["verdict"]]
    checks = [
        {**row, "family": FAMILIES[str(row["check"]).partition("-")[0]]} for row in _all(tables, _CHECKS)
    ]
    listings: dict[str, Any] = {key: _list(tables, query) for key, query in _LISTINGS.items()}
    return Contents(
        verdict=about["verdict"],
        verdict_name=name,
        verdict_meaning=meaning,
        doubts=json.loads(about["doubts"]),
        subject=_describe(about),
        ranges=_load(about, "ranges", []),
        coverage=[row for row in checks if row["result"] != "not_run"],
        not_run=[row for row in checks if row["result"] == "not_run"],
        **listings,
        wrap_spread=_all(tables, _WRAP_SPREAD),
        accounts={str(row["kind"]): int(str(row["accounts"])) for row in _all(tables, _ACCOUNTS)},
        lifelines=draw_lifelines(tables, MAX_LIFELINES),
        growth=draw_growth(tables),
        covert=_load(about, "covert", None) or _NOTHING_HIDDEN,
        ids=sorted(
            {str(row[key]) for each in listings.values() for row in each.rows for key in _IDS & row.keys()}
        ),
    )


_NOTHING_HIDDEN: Final = {
    "bits": 0,
    "bits_of_one_account": 0,
    "bits_by_field": {},
    "digests_of_unknown_bytes": {},
}
_IDS: Final = {"account", "device", "rotation"}
_CHECKS: Final = "SELECT * FROM coverage"
_ACCOUNTS: Final = f"""
    SELECT CASE WHEN pinned THEN 'vouched for' ELSE 'nobody vouches' END AS kind, count(*) AS accounts
    FROM accounts WHERE account <> '{SYSTEM_ACCOUNT}' GROUP BY kind ORDER BY kind DESC
"""  # noqa: S608  # a constant of the protocol
"""Of users: nobody vouches for the platform's own, and nobody needs to."""
_WRAP_SPREAD: Final = """
    SELECT versions, count(*) AS accounts
    FROM (SELECT count(*) AS versions FROM wraps WHERE verified GROUP BY account) GROUP BY versions
    ORDER BY versions
"""
_FOUND: Final = """
    SELECT "check", code, account, stream, seq, topic, "partition", "offset", detail FROM findings
    WHERE {} ORDER BY account NULLS FIRST, stream, seq
"""
_LISTINGS: Final = {
    "findings": _FOUND.format("NOT is_notice"),
    "notices": _FOUND.format("is_notice"),
    "revocations": """
        SELECT r.account, r.id AS device, r.reason, r.time, count(s.session) AS sessions,
            max(date_diff('millisecond', r.time, s.ended)) / 1000.0 AS slowest_s
        FROM revocations r
        LEFT JOIN sessions s ON s.account = r.account AND s.device = r.id AND s.verified AND s.ended >= r.time
        WHERE r.what = 'device' AND r.verified GROUP BY ALL ORDER BY slowest_s DESC NULLS LAST, r.time
    """,
    "wraps": """
        SELECT account, count(*) AS versions, count(*) FILTER (retired IS NULL) AS live,
            max(epoch) AS epoch, count(DISTINCT key_id) AS user_keys, max(time) AS last
        FROM wraps WHERE verified GROUP BY account ORDER BY versions DESC, account
    """,
    "rotations": """
        SELECT account, rotation, any_value(kind) AS kind, min(time) AS started,
            max(time) FILTER (step = 'completed') AS completed, max(time) FILTER (step = 'aborted') AS aborted
        FROM rotations WHERE verified GROUP BY account, rotation ORDER BY started
    """,
    "dues": """
        SELECT account, time, kind, since, due_cause, enforcement FROM rotations_due WHERE verified
        ORDER BY time
    """,
}


def _all(tables: Tables, sql: str) -> list[dict[str, object]]:
    frame = tables.query(sql)
    return [{str(key): _plain(value) for key, value in row.items()} for row in frame.to_dict("records")]


def _list(tables: Tables, sql: str) -> Listing:
    total = int(tables.query(f"SELECT count(*) AS total FROM ({sql})")["total"][0])  # noqa: S608  # our queries
    return Listing(_all(tables, f"{sql} LIMIT {MAX_ROWS}"), total)


def _plain(value: object) -> object:
    """A value as a page and a print show it: times in UTC to the second, and nothing for what is missing."""
    if value is None or value != value or str(value) in {"NaT", "<NA>"}:  # a NaN
        return None
    if hasattr(value, "strftime"):
        return value.strftime("%Y-%m-%d %H:%M:%S UTC")
    if isinstance(value, bool | str):
        return value
    number = float(str(value))
    return int(number) if number.is_integer() else round(number, 3)


def _describe(about: Mapping[str, str]) -> list[tuple[str, str]]:
    pins: Mapping[str, str] = _load(about, "pins", {})
    rows = [
        ("Log", about.get("source", "")),
        ("SHA-256 of the log", about.get("digest", "")),
        ("Events from", about.get("first", "")),
        ("Events to", about.get("last", "")),
        ("Records", about.get("records", "")),
        *((f"SHA-256 of the pins {name}", digest) for name, digest in pins.items()),
        ("Goes on from the verdict", about.get("seen", "")),
        ("Audited at", about.get("made_at", "")),
        ("Program", about.get("tool", "")),
        ("Checks", about.get("catalogue", "")),
    ]
    return [(label, value) for label, value in rows if value and value != "null"]


def _load(about: Mapping[str, str], name: str, otherwise: Any) -> Any:
    return json.loads(about[name]) if name in about else otherwise
