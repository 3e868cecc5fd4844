"""When an account is opened without its server. Spec: offline.md §2."""

from enum import StrEnum


class Offline(StrEnum):
    """When an account is opened without its server.

    Attributes:
        NEVER: what the server must answer fails when it does not.
        IF_NEEDED: the server is asked once, quickly; if it does not answer, what is kept here does.
        ALWAYS: the server is not asked.
    """

    NEVER = "never"
    IF_NEEDED = "if_needed"
    ALWAYS = "always"
