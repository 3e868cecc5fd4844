"""What an entry point requires of its caller."""

from enum import StrEnum


class Access(StrEnum):
    """The levels. STEPPED_UP and TRUSTED each require more than SESSION."""

    PUBLIC = "public"
    """Nothing."""
    PROOF_IF_GIVEN = "proof_if_given"
    """Nothing; a DPoP proof that comes along must be right, and sets ``request.proof``. It needs no nonce."""
    PROOF = "proof"
    """A DPoP proof, without a token: log in and refresh. ``request.proof`` is set."""
    SESSION = "session"
    """A token and its proof, an open session, and a device that is not revoked. ``request.caller`` is set."""
    STEPPED_UP = "stepped_up"
    """As SESSION, and the user has proven a second factor a short time ago."""
    TRUSTED = "trusted"
    """As SESSION, and the device is trusted now."""
