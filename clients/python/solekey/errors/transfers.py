"""Files on their way up and down. Spec: conventions.md §6."""

from solekey.errors.base import Action, SolekeyError


class TransferError(SolekeyError):
    """A file that cannot be read, written or kept on its way."""

    code = "transfer_failed"
    action = Action.RETRY
    ADVICE = "Try again: what was transferred is kept for the next attempt."


class SourceError(TransferError):
    """A source that is not a file which can be read."""

    code = "source_unusable"
    action = Action.CORRECT
    ADVICE = "Name a regular file that you may read. Pack a folder first, or put it as a stream."


class TargetError(TransferError):
    """A place where the file cannot be written. What stood there is untouched."""

    code = "target_unusable"
    action = Action.CHOOSE_ANOTHER
    ADVICE = "Name a file in a folder where you may write."


class DiskFullError(TransferError):
    """No room on a disk. What stood at the target is untouched, what was transferred is kept."""

    code = "disk_full"
    action = Action.FREE_SPACE
    ADVICE = "Make room, or choose another disk, and try again: a transfer goes on."


class TransferBusyError(TransferError):
    """Another program of this profile transfers the same file right now."""

    code = "transfer_running"
    ADVICE = "Wait until the other program is through, or end it, then try again."


class NotTextError(SolekeyError):
    """What should be text is of another encoding than UTF-8, or no text at all."""

    code = "text_undecodable"
    action = Action.CORRECT
    ADVICE = "Save it as UTF-8 (UTF-16 with a byte order mark will do), or set the terminal to UTF-8."


class ClosedStreamError(SolekeyError):
    """Standard input or output was closed by whoever started the command."""

    code = "stream_closed"
    action = Action.CORRECT
    ADVICE = "Open standard input and output; /dev/null will do."
