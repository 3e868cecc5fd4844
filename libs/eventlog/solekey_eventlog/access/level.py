"""What an entry point asks of its caller."""

from enum import StrEnum


class Access(StrEnum):
    """The levels, each asking for more than the one before."""

    PUBLIC = "public"
    """Nothing."""
    PROOF = "proof"
    """A DPoP proof, without a token: log in and refresh. ``request.proof`` is set."""
    SESSION = "session"
    """A token and its proof, an open session, and a device that is not revoked. ``request.caller`` is set."""
    TRUSTED = "trusted"
    """As SESSION, and the device is trusted now."""
