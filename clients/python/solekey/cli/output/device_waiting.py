"""A device that waits for approval: its code as digits and as a QR code, and how long it has waited."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from solekey.cli.output.printing import changing_line, say
from solekey.cli.state import Cli

if TYPE_CHECKING:
    from solekey.account.approval import Waiting
    from solekey.account.session import Session
    from solekey.crypto.device_code import DeviceCode

_MINUTE_S: Final = 60


def show_code(state: Cli, code: "DeviceCode", *, step: str | None = None) -> None:
    """Show a device code: digits, and a QR code where a terminal is looked at."""
    if state.as_json:
        document = {"code": code.encode_text(), "qr": code.encode_qr()}
        state.emit({"step": step, **document} if step else document)
        return
    if sys.stdout.isatty():
        import segno

        segno.make(code.encode_qr(), error="l").terminal(compact=True)
    say("Device code: {}", code.encode_text())


def wait_and_tell(state: Cli, session: "Session", timeout_s: float | None) -> None:
    """Wait until this device is trusted, and say so; Ctrl-C stops, and the same command goes on.

    Raises:
        DevicePendingError, DeviceGoneError, EvidenceError: see `solekey.account.approval.wait_until_trusted`.
    """
    from solekey.account.approval import wait_until_trusted

    with _Display(state) as display:
        info = wait_until_trusted(session, timeout_s=timeout_s, watch=display.show)
    if state.as_json:
        state.emit({"device": info.id, "status": info.status.value, "certified_by": info.certified_by})
    else:
        say("This device is trusted.")


class _Display:
    """Shows the code once, and again when it has changed; a line with the time where a person looks on."""

    def __init__(self, state: Cli) -> None:
        self._state = state
        self._stack = ExitStack()
        self._code: DeviceCode | None = None
        self._line = self._open_line()

    def __enter__(self) -> "_Display":
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def show(self, waiting: "Waiting") -> None:
        """Show a poll that found the device waiting."""
        if waiting.code != self._code:
            if self._code is not None:
                self._state.tell("The user key was replaced: the code is another one now.")
            show_code(self._state, waiting.code, step="waiting")
            self._state.tell("On a trusted device: solekey devices approve (and type or scan this code)")
            self._code = waiting.code
        if self._line is not None:
            self._line.update(describe_waiting(waiting))

    def _open_line(self) -> "_Line | None":
        if self._state.as_json or self._state.quiet or not sys.stderr.isatty():
            return None
        return _Line(self._stack)


class _Line:
    """One line that is drawn again and again, from the first poll on."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._draw: Callable[[str], None] | None = None

    def update(self, text: str) -> None:
        if self._draw is None:
            self._draw = self._stack.enter_context(changing_line())
        self._draw(text)


def describe_waiting(waiting: "Waiting") -> str:
    """Describe how long a device has waited, and when it asks again."""
    minutes, seconds = divmod(int(waiting.waited_s), _MINUTE_S)
    away = "" if waiting.reachable else " The server does not answer."
    return f"Waiting {minutes}:{seconds:02}, next look in {waiting.next_poll_s:.0f} s. Ctrl-C stops.{away}"
