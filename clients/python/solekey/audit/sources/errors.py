"""Why a log cannot be read. None of these is a verdict. Spec: audit.md §2."""

from solekey.errors import SolekeyError


class LogError(SolekeyError):
    """A log cannot be read."""

    code = "log_unreadable"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return "Name a bundle, an exported log (events.jsonl), embedded:///path/bus.db, or kafka://host:port."


class LogIncompleteError(LogError):
    """A copy of an embedded bus without its write-ahead log: what is missing cannot be known."""

    code = "log_incomplete"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return "Export the log on the platform (solekey audit export), or copy bus.db with bus.db-wal."


class LogConvertedError(LogError):
    """A log that an editor or a transfer has changed throughout. Nobody has cheated by that."""

    code = "log_converted"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return "Export the log again, and copy it as a binary file; an editor must not save it."
