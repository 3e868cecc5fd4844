"""What does not open, and what cannot be sealed. Spec: conventions.md §6."""

from typing import Literal

from solekey.errors.base import Action, SolekeyError

OpenStage = Literal["header", "commitment", "chunk", "padding", "metadata"]
"""Where an envelope failed to open, in the order of the checks; for tests and vectors, not for users."""

WrapStage = Literal["header", "place", "commitment", "tag", "commit_key"]
"""Where a wrap failed to open, in the order of the checks; for tests and vectors, not for users."""


class UnsupportedFormatError(SolekeyError):
    """A format version, suite or secret kind that this release does not know."""

    code = "unsupported_format"
    action = Action.UPDATE
    ADVICE = "Update the client: this was written by a newer release."


class OpenError(SolekeyError):
    """A ciphertext that does not open. It says one thing only, whatever was wrong.

    Attributes:
        stage: where it failed, for tests and vectors.
    """

    code = "open_failed"
    action = Action.STOP
    ADVICE = "The stored ciphertext was damaged or replaced: fetch it again; if it still fails, run an audit."

    def __init__(self, stage: OpenStage) -> None:
        super().__init__("the ciphertext does not open with this key for this item")
        self.stage = stage


class TamperedWrapError(SolekeyError):
    """A wrapped key that was made by this user key and does not open for this place.

    Attributes:
        stage: where it failed, for tests and vectors.
    """

    code = "wrap_tampered"
    action = Action.STOP
    ADVICE = "Your phrase is right, but the server's copy of the wrapped key is not: run an audit."

    def __init__(self, stage: WrapStage) -> None:
        super().__init__("the wrapped key was altered or moved")
        self.stage = stage


class SealError(SolekeyError):
    """Plaintext that cannot be sealed."""

    code = "seal_refused"
    action = Action.CORRECT


class MetadataError(SealError):
    """Item metadata outside its closed schema."""

    code = "metadata_invalid"
    ADVICE = "Change the named field: shorten it or remove the characters that are not allowed."


class ContentSizeError(SealError):
    """A source that is not as long as declared: it changed while it was read, or it is too long."""

    code = "content_size_changed"
    action = Action.RETRY
    ADVICE = "Wait until no other program writes the file, then try again."
