"""The bus's branch of the error tree, which is drawn in ``solekey_eventlog.errors``."""

from solekey_eventlog.errors import EventLogError


class BusError(EventLogError):
    """Base of everything that a bus raises."""

    code = "bus_error"


class BusUnavailableError(BusError):
    """The bus did not answer in the time allowed. What was published may or may not be there: repeat it."""

    code = "bus_unavailable"


class BusConfigurationError(BusError):
    """A URL, credential or topic setting is wrong; the message says what and how to put it right."""

    code = "bus_configuration"


class PartitionLostError(BusError):
    """The record's partition was given to another member: it is delivered there again. Poll on."""

    code = "bus_partition_lost"
