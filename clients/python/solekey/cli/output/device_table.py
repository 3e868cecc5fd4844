"""The list of devices as a person reviews it: what this device has verified apart from what the server says.

Rows have numbers, by which other rows name them: a name is what a device says of itself. Spec: devices.md §4.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from solekey.cli.output.foreign_text import Shown, quote_foreign
from solekey.cli.state import ID_CHARS

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from solekey.account.device_list import DeviceInfo
    from solekey_protocol.ids import DeviceId

_MAY: Final = {
    "trusted": "may, with the user key: read, write, approve and revoke devices, change keys",
    "pending": "may follow the account's records and wait; no items",
    "revoked": "may do nothing, for ever",
}
_STYLES: Final = {"trusted": "green", "pending": "yellow", "revoked": "red"}
_DAY_CHARS: Final = 10
_KEY_CHARS: Final = 16  # of 43: 96 bits
_WIDE_CHARS: Final = 47  # a whole thumbprint and its name
_NUMBER_CHARS: Final = 3
_SAID_CHARS: Final = 18  # revoked 2026-11-24
_BETWEEN_CHARS: Final = 8  # borders and padding
_MIN_COLUMNS, _WIDE_COLUMNS, _MAX_COLUMNS = 80, 110, 120
_CAPTION: Final = (
    "Verified here: by this device, from signed records. Names are what devices say of themselves. "
    "The last column is the server's word: nobody signs it. "
    "Do you know each device? If not: solekey devices revoke ID"
)


def make_table(devices: "Sequence[DeviceInfo]", columns: int = 80) -> "Table":
    """Make the table for a terminal of so many columns; 80 at least, 120 at most."""
    from rich import box
    from rich.table import Column, Table

    columns = min(max(columns, _MIN_COLUMNS), _MAX_COLUMNS)
    device = _WIDE_CHARS if columns >= _WIDE_COLUMNS else ID_CHARS
    verified = columns - _NUMBER_CHARS - device - _SAID_CHARS - _BETWEEN_CHARS
    table = Table(
        Column("", justify="right", width=_NUMBER_CHARS),
        Column("device", width=device, overflow="fold"),
        Column("verified here", width=verified, overflow="fold"),
        Column("the server says", width=_SAID_CHARS, overflow="fold"),
        box=box.HORIZONTALS,
        padding=(0, 1, 0, 0),
        show_lines=True,
        caption=_CAPTION,
        caption_justify="left",
        pad_edge=False,
    )
    numbers = {info.id: number for number, info in enumerate(devices, 1)}
    for info in devices:
        table.add_row(
            str(numbers[info.id]),
            _describe_device(info, wide=device == _WIDE_CHARS),
            _verified(info, numbers),
            _said(info),
        )
    return table


def describe_json(info: "DeviceInfo") -> dict[str, object]:
    """Describe a device for a script; what only the server says is in a member of its own."""
    stated = info.server_says
    return {
        "id": info.id,
        "thumbprint": info.thumbprint,
        "name": info.name,
        "platform": info.platform.value,
        "status": info.status.value,
        "this_device": info.this_device,
        "may": list(info.may),
        "certified_by": info.certified_by,
        "revoked_by": info.revoked_by,
        "reason": info.reason.value if info.reason else None,
        "server_says": {
            "enrolled_at": stated.enrolled_at,
            "trusted_at": stated.trusted_at,
            "revoked_at": stated.revoked_at,
            "last_seen": stated.last_seen,
        },
    }


def describe_name(info: "DeviceInfo") -> Shown:
    """Describe what a device calls itself, safe to show."""
    return quote_foreign(info.name) if info.name is not None else Shown("(no verified name)")


def _describe_device(info: "DeviceInfo", *, wide: bool) -> "Text":
    from rich.text import Text

    text = Text(describe_name(info), style="bold")
    text.append(f"\n{info.id}", style="not bold")
    if wide:
        text.append(f" {info.platform.value}\nkey {info.thumbprint}", style="not bold dim")
    else:
        text.append(f"\n{info.platform.value}, key {info.thumbprint[:_KEY_CHARS]}…", style="not bold dim")
    return text


def _verified(info: "DeviceInfo", numbers: "Mapping[DeviceId, int]") -> "Text":
    from rich.text import Text

    text = Text(info.status.value, style=_STYLES[info.status.value])
    if info.this_device:
        text.append(" ◀ this device", style="bold")
    text.append(f"\n{_MAY[info.status.value]}", style="default")
    if info.certified_by is not None:
        text.append(f"\n{_describe_certified(info, numbers)}", style="dim")
    if info.revoked_by is not None:
        by = "itself" if info.revoked_by == info.id else f"no. {numbers[info.revoked_by]}"
        text.append(f"\nrevoked by {by}: {info.reason.value if info.reason else ''}", style="dim")
    return text


def _describe_certified(info: "DeviceInfo", numbers: "Mapping[DeviceId, int]") -> str:
    if numbers[info.id] == 1:
        return "founded the account"
    if info.certified_by == info.id:
        return "trusted with the user key typed on it"
    return f"approved on no. {numbers[info.certified_by]}" if info.certified_by else ""


def _said(info: "DeviceInfo") -> "Text":
    from rich.text import Text

    stated = info.server_says
    lines = [f"added {stated.enrolled_at[:_DAY_CHARS]}"]
    if stated.revoked_at:
        lines.append(f"revoked {stated.revoked_at[:_DAY_CHARS]}")
    lines.append(f"seen {stated.last_seen or 'never'}")
    return Text("\n".join(lines), style="dim")
