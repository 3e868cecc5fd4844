"""What the library logs, on stderr: ``-v`` and ``-vv``."""

import logging
import sys

_FORMAT = "%(asctime)s.%(msecs)03d %(name)s: %(message)s"


class _Stderr(logging.StreamHandler):  # type: ignore[type-arg]  # of whatever stderr is at the time
    """Writes to the stderr of the moment; there is one in the log at most."""

    def emit(self, record: logging.LogRecord) -> None:
        self.setStream(sys.stderr)
        super().emit(record)


def show_log(times: int) -> None:
    """Show the log at INFO, or at DEBUG if it was asked for twice."""
    log = logging.getLogger("solekey")
    log.setLevel(logging.INFO if times == 1 else logging.DEBUG)
    if not any(isinstance(handler, _Stderr) for handler in log.handlers):
        handler = _Stderr()
        handler.setFormatter(logging.Formatter(_FORMAT, "%H:%M:%S"))
        log.addHandler(handler)
