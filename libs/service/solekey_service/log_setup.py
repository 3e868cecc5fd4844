"""How a service's process logs: to stderr, one line an event, and what libraries repeat is left out."""

import logging

from solekey_eventlog.errors import UnavailableError
from solekey_eventlog.log_lines import LogFormat, make_formatter

_CHATTY = ("nameko", "alembic", "sqlalchemy", "werkzeug")


def set_up_logging(level: str, log_format: LogFormat = LogFormat.TEXT) -> None:
    """Log to stderr: one line an event, no values of requests."""
    handler = logging.StreamHandler()
    handler.setFormatter(make_formatter(log_format))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for unused in ("logThreads", "logProcesses", "logMultiprocessing", "_srcfile"):  # no line has them
        setattr(logging, unused, None)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    # While the broker is away kafka-python logs many lines a second; our adapter says the last of them once.
    library = logging.getLogger("kafka")
    library.setLevel(logging.WARNING)
    library.addHandler(logging.NullHandler())
    library.propagate = False
    logging.getLogger("nameko.containers").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether nameko's traceback says anything new.

    The access log has the status of a refusal; who was not answered has named the cause in one line.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not (str(record.msg).startswith("(expected) error") or isinstance(error, UnavailableError))
