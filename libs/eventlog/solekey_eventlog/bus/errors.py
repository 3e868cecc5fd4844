"""The bus's error tree. Each error has a stable snake_case ``code``.

::

    BusError
    ├── BusUnavailableError     bus_unavailable       not confirmed in the time allowed: try again later
    ├── BusConfigurationError   bus_configuration     a setting is wrong: a person must change it
    └── PartitionLostError      bus_partition_lost    another member of the group owns the partition now
"""


class BusError(Exception):
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
