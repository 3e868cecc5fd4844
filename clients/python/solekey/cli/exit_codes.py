"""What a failure ends in: words for a person, a document for a script, and an exit code for both."""

import errno
import os
from typing import Final

from solekey import errors
from solekey.cli.advice import advise
from solekey.cli.output.left_out import SOME_UNREADABLE
from solekey.cli.output.printing import emit_json, warn, warn_of
from solekey.cli.state import Cli
from solekey.errors import refusals
from solekey.files.disk_room import is_full_disk
from solekey_protocol.errors import ProtocolError

EXIT_CODES: Final[tuple[tuple[int, tuple[type[Exception], ...]], ...]] = (
    (3, (errors.NotLoggedInError, errors.ProfileMissingError, refusals.SessionEndedError)),
    (4, (refusals.LoginRefusedError, refusals.TooManyAttemptsError)),
    (5, (errors.PhraseError, errors.WrongUserKeyError, errors.NewUserKeyNeededError)),
    (5, (errors.WrongPassphraseError, errors.WrongPinError)),
    (1, (errors.ShareCountError,)),
    (5, (errors.ShareError, errors.KitMismatchError, errors.WordsDifferError)),
    (6, (errors.EvidenceError, errors.TamperedWrapError, errors.OpenError, errors.KdfParametersError)),
    (6, (errors.InsecureServerError, errors.RedirectError, errors.ReadBackError)),
    (SOME_UNREADABLE, (errors.ItemNameUncertainError,)),
    (
        7,
        (
            errors.ItemMissingError,
            errors.AmbiguousNameError,
            errors.VersionMissingError,
            errors.UnknownDeviceError,
        ),
    ),
    (7, (errors.DeviceCodeMismatchError, errors.DeviceGoneError)),
    (8, (errors.DevicePendingError,)),
    (7, (errors.FactorMissingError, errors.SessionMissingError, errors.NoRestorationError)),
    (8, (refusals.UnavailableError, errors.UnreachableError, errors.OfflineError, errors.ContentionError)),
    (8, (errors.TransferBusyError, errors.VersionGoneError, errors.NotKeptError)),
    (9, (refusals.ServerRefusedError,)),
    (1, (errors.SolekeyError, ProtocolError, OSError)),
)
"""The first row that fits decides."""


_OS_ADVICE: Final = "Check the file or folder that is named: whether it is there, and whether you may use it."


def report_error(state: Cli, error: Exception) -> int:
    """Report an error on stderr and return the exit code. Raises what is no error of ours: a bug."""
    error = _name_system_error(error)
    fitting = [exit_code for exit_code, kinds in EXIT_CODES if isinstance(error, kinds)]
    if not fitting:
        raise error
    exit_code = fitting[0]
    code = getattr(error, "code", "failed")
    advice = advise(error) if isinstance(error, errors.SolekeyError) else _advise_on_system(error)
    if isinstance(error, errors.WrongUserKeyError) and state.user_key_source:
        advice = (
            f"The key kept at {state.user_key_source} was replaced: give the present words (--user-key), and "
            f"keep them there: solekey user-key store '{state.user_key_source}' --replace"
        )
    advice, message = state.repeat_profile(advice), state.repeat_profile(str(error))
    if state.as_json:
        about = error.about if isinstance(error, errors.SolekeyError) else {}
        emit_json({"error": {"code": code, "message": message, "next": advice, **about}}, err=True)
        return exit_code
    warn_of("Error: ", "{} [{}]", message, code)
    for line in (*getattr(error, "__notes__", ()), advice):
        if line:
            warn("{}", line)
    if os.environ.get("SOLEKEY_DEBUG"):
        raise error
    return exit_code


def _advise_on_system(error: Exception) -> str:
    return _OS_ADVICE if isinstance(error, OSError) else ""


def _name_system_error(error: Exception) -> Exception:
    """Name what the operating system says only by a number, wherever it comes from."""
    if isinstance(error, OSError) and is_full_disk(error):
        return errors.DiskFullError(str(error))
    if isinstance(error, OSError) and error.errno == errno.EBADF:
        return errors.ClosedStreamError("standard input or output is closed")
    if isinstance(error, UnicodeError):  # whose message would quote the text
        return errors.NotTextError("what was given is not UTF-8 text")
    return error
