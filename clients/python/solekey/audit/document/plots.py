"""The pictures of a report, as SVG that needs nothing else: black and white, times in UTC."""

import io
from datetime import timedelta
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

from solekey.audit.tables.tables import Tables
from solekey_protocol.events import Stream

_WIDTH_IN: Final = 7.2
_LINE_IN: Final = 0.24
_BARS: Final = 60
"""Bars of the picture of growth, and ticks of a device's line: of any number of events."""
_EARLIEST: Final = "2026-01-01"
_LATEST: Final = "2200-01-01"
"""Times outside are the operator's invention: a check says so, and no picture can hold them."""
_HATCHES: Final = ("", "///", "...", "xx", "\\\\", "++", "oo", "**")
"""The looks of streams, which a print tells apart without colours."""

_LIFELINES: Final = f"""
    SELECT d.account, d.device, d.status, e.time AS enrolled, r.time AS revoked
    FROM devices d
    JOIN events e ON e.account = d.account AND e.stream = 'devices' AND e.seq = d.enrolled_at AND e.verified
    LEFT JOIN revocations r ON r.account = d.account AND r.id = d.device AND r.what = 'device' AND r.verified
    WHERE e.time BETWEEN '{_EARLIEST}' AND '{_LATEST}'
    ORDER BY r.time NULLS LAST, e.time, d.device LIMIT ?
"""  # noqa: S608  # our constants
_SPOKEN: Final = f"""
    SELECT signed_by, time FROM (
        SELECT signed_by, time, row_number() OVER (PARTITION BY account, signed_by ORDER BY hash(digest)) AS n
        FROM events WHERE verified AND account = ? AND signed_by = ?
        AND time BETWEEN '{_EARLIEST}' AND '{_LATEST}'
    ) WHERE n <= {_BARS}
"""  # noqa: S608  # our constants
_GROWTH: Final = f"""
    WITH known AS (
        SELECT stream, time FROM events WHERE verified AND time BETWEEN '{_EARLIEST}' AND '{_LATEST}'
    ),
    span AS (SELECT min(time) AS first, greatest(date_diff('ms', min(time), max(time)), 1) AS ms FROM known)
    SELECT stream,
        least(CAST(floor(date_diff('ms', first, time) * {_BARS} / ms) AS INTEGER), {_BARS - 1}) AS bar,
        count(*) AS events, any_value(first) AS first, any_value(ms) AS ms
    FROM known, span GROUP BY stream, bar
"""  # noqa: S608  # our constants


def draw_lifelines(tables: Tables, at_most: int) -> str:
    """Draw a line a device, from its enrolment to its revocation (✕), with its statements as ticks."""
    devices = _read(tables, _LIFELINES, at_most)
    if not devices:
        return ""
    spoken = [
        [row["time"] for row in _read(tables, _SPOKEN, each["account"], each["device"])] for each in devices
    ]
    known = [each[name] for each in devices for name in ("enrolled", "revoked") if each[name] is not None]
    last = max([*known, *(time for times in spoken for time in times)])
    figure, axes = _begin(len(devices) * _LINE_IN + 0.9)
    for line, (each, times) in enumerate(zip(devices, spoken, strict=True)):
        revoked = each["revoked"]
        axes.hlines(line, each["enrolled"], revoked or last, color="0.6", linewidth=1)
        axes.plot(times, [line] * len(times), "|", color="black", markersize=6)
        if revoked is not None:
            axes.plot([revoked], [line], "x", color="black", markersize=7, markeredgewidth=2)
    labels = [f"{each['device'][:12]}… of {each['account'][:12]}…" for each in devices]
    axes.set_yticks(range(len(devices)), labels)
    axes.invert_yaxis()
    return _end(figure, axes)


def draw_growth(tables: Tables) -> str:
    """Draw how many events there are over the time of the log, by stream."""
    rows = _read(tables, _GROWTH)
    if not rows:
        return ""
    counts = {(row["stream"], row["bar"]): row["events"] for row in rows}
    first, width = rows[0]["first"], timedelta(milliseconds=rows[0]["ms"] / _BARS)
    starts = [first + bar * width for bar in range(_BARS)]
    figure, axes = _begin(2.4)
    below = [0] * _BARS
    for stream, hatch in zip(Stream, cycle(_HATCHES), strict=False):
        bars = [counts.get((stream.value, bar), 0) for bar in range(_BARS)]
        look = {"hatch": hatch, "fill": not hatch, "color": "0.35", "edgecolor": "black", "linewidth": 0.3}
        axes.bar(starts, bars, width, below, align="edge", label=stream.value, **look)  # type: ignore[arg-type]  # times
        below = [a + b for a, b in zip(below, bars, strict=True)]
    axes.legend(frameon=False, fontsize=8, ncols=4)
    axes.set_ylabel("events", fontsize=8)
    return _end(figure, axes)


def _read(tables: Tables, sql: str, *parameters: object) -> list[dict[str, Any]]:
    """Rows as Python's own values; None for what is missing."""
    import pandas as pd

    frame = tables.query(sql, parameters)
    return [
        {
            str(name): None
            if pd.isna(value)
            else getattr(value, "to_pydatetime", lambda value=value: value)()
            for name, value in row.items()
        }
        for row in frame.to_dict("records")
    ]


def _begin(height_in: float) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_IN, height_in), layout="constrained")
    return figure, figure.add_subplot()


def _end(figure: "Figure", axes: "Axes") -> str:
    import matplotlib as mpl

    axes.tick_params(labelsize=7)
    axes.tick_params(axis="x", labelrotation=20)
    axes.spines[["top", "right"]].set_visible(False)
    target = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "solekey", "svg.fonttype": "path"}):
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    text = target.getvalue()
    return text[text.index("<svg") :]
