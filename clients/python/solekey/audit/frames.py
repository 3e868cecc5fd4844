"""The log as pandas tables: one row an event, and what the events say of wraps, devices, commits and
rotations.

Install ``solekey[audit]``. Every table has the columns ``account seq time`` of the event that a row comes
from.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

import pandas as pd

from solekey.audit.report import Report
from solekey_protocol.event import Event
from solekey_protocol.events import BODIES, auth, devices, rotation, vault
from solekey_protocol.events.fields import encode_body

Rows = Iterable[dict[str, object]]
B = TypeVar("B", vault.KeyWrapped, vault.ItemsCommitted)


def events_frame(report: Report) -> pd.DataFrame:
    """One row an event, in order of time: its place, type, signing device, size and digest."""
    return _frame(
        (
            {
                **_place(event),
                "stream": event.stream.value,
                "event": type(event.body).__name__,
                "signed_by": event.signed.statement.device if event.signed else None,
                "bytes": len(event.raw),
                "digest": event.digest,
            }
            for event in _events(report)
        ),
        ["account", "seq", "time", "stream", "event", "signed_by", "bytes", "digest"],
    )


def wraps_frame(report: Report) -> pd.DataFrame:
    """One row a key-wrap version: secret, epoch, version, user key id, retired when (NaT: live)."""
    retired = {
        (event.account, body.secret, body.epoch, body.wrap_version): event.time
        for event in _events(report)
        if isinstance(body := event.body, vault.WrapRetired)
    }

    def row(event: Event, body: vault.KeyWrapped) -> dict[str, object]:
        end = retired.get((event.account, body.secret, body.epoch, body.wrap_version))
        return {**_place(event), **encode_body(body), "retired": end}

    frame = _of(
        report, vault.KeyWrapped, row, ["secret", "epoch", "wrap_version", "key_id", "wrap", "retired"]
    )
    frame["retired"] = pd.to_datetime(frame["retired"], utc=True)
    return frame


def devices_frame(report: Report) -> pd.DataFrame:
    """One row a device: platform, status, and the seq at which it was enrolled, trusted and revoked."""
    rows = (
        {
            "account": account,
            "device": device,
            "platform": state.certificate.platform.value,
            "status": state.status.value,
            "enrolled_at": state.enrolled_at,
            "trusted_at": state.trusted_at,
            "revoked_at": state.revoked_at,
        }
        for account, reported in report.accounts.items()
        for device, state in reported.devices.devices.items()
    )
    columns = ["account", "device", "platform", "status", "enrolled_at", "trusted_at", "revoked_at"]
    return pd.DataFrame(list(rows), columns=columns).astype(
        {"enrolled_at": "Int64", "trusted_at": "Int64", "revoked_at": "Int64"}
    )


def revocations_frame(report: Report) -> pd.DataFrame:
    """One row a revocation of a device or end of a session."""

    def rows() -> Rows:
        for event in _events(report):
            match event.body:
                case devices.DeviceRevoked(device, reason):
                    yield {**_place(event), "what": "device", "id": device, "reason": reason.value}
                case auth.SessionEnded(session, why):
                    yield {**_place(event), "what": "session", "id": session, "reason": why.value}

    return _frame(rows(), ["account", "seq", "time", "what", "id", "reason"])


def commits_frame(report: Report) -> pd.DataFrame:
    """One row a commit: number, kind, epoch, items, ciphertext bytes, signing device."""

    def row(event: Event, body: vault.ItemsCommitted) -> dict[str, object]:
        signed_by = event.signed.statement.device if event.signed else None
        return {**_place(event), **encode_body(body), "signed_by": signed_by}

    return _of(
        report,
        vault.ItemsCommitted,
        row,
        ["commit", "kind", "epoch", "count", "bytes", "changes", "signed_by"],
    )


def rotations_frame(report: Report) -> pd.DataFrame:
    """One row a rotation event: which saga, which step."""

    def rows() -> Rows:
        for event in _events(report):
            saga = getattr(event.body, "rotation", None)
            if saga is not None and event.stream == "rotation":
                step = type(event.body).__name__.removeprefix("Rotation").lower()
                kind = event.body.kind.value if isinstance(event.body, rotation.RotationStarted) else None
                yield {**_place(event), "rotation": saga, "step": step, "kind": kind}

    frame = _frame(rows(), ["account", "seq", "time", "rotation", "step", "kind"])
    frame["kind"] = frame.groupby("rotation")["kind"].transform("first") if len(frame) else frame["kind"]
    return frame


def fields_frame(report: Report) -> pd.DataFrame:
    """One row a field that any event of the log carries: its path, how often, and its longest value."""
    seen: dict[tuple[str, str], tuple[int, int]] = {}
    for event in _events(report):
        for path, value in _leaves(encode_body(event.body), ""):
            count, longest = seen.get((type(event.body).__name__, path), (0, 0))
            seen[type(event.body).__name__, path] = (count + 1, max(longest, len(str(value))))
    rows = ({"event": e, "field": f, "count": c, "longest": n} for (e, f), (c, n) in sorted(seen.items()))
    return pd.DataFrame(list(rows), columns=["event", "field", "count", "longest"])


def catalogue() -> list[str]:
    """The names of every event that exists."""
    return sorted(cls.__name__ for cls in BODIES.values())


def _leaves(value: object, path: str) -> Iterable[tuple[str, object]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _leaves(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for member in value:
            yield from _leaves(member, f"{path}[]")
    else:
        yield path, value


def _events(report: Report) -> Iterable[Event]:
    return (event for account in report.accounts.values() for event in account.events)


def _place(event: Event) -> dict[str, object]:
    return {"account": event.account, "seq": event.seq, "time": event.time}


def _of(
    report: Report, kind: type[B], row: Callable[[Event, B], dict[str, object]], columns: list[str]
) -> pd.DataFrame:
    rows = (row(event, event.body) for event in _events(report) if isinstance(event.body, kind))
    return _frame(rows, ["account", "seq", "time", *columns])


def _frame(rows: Rows, columns: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows), columns=columns)
    frame["time"] = pd.to_datetime(frame["time"], utc=True)
    return frame.sort_values(["time", "account", "seq"], kind="stable", ignore_index=True)
