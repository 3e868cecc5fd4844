"""Going on with a server that was restored from a backup."""

from solekey.account.restoration import Agree
from solekey.account.restoration import accept_restoration as accept_here
from solekey.api.opening import Ask, make_runtime
from solekey.crypto import UserKey
from solekey.files.any_path import AnyPath
from solekey.profile.profile import Profile
from solekey.runtime import Runtime


def accept_restoration(
    profile: AnyPath, *, key: UserKey, agree: Agree, ask: Ask | None = None, runtime: Runtime | None = None
) -> bool:
    """Go on with a server that was restored from a backup, and lacks what this device has seen.

    Such a server is refused (RollbackError, HistoryForkError), and one that hides something shows the same:
    let the user ask the operator by another way before. What this device had verified is kept as evidence;
    what it holds of what was lost is sent again when the account is next unlocked.

    Args:
        profile: the profile's folder; log in before, though that is refused.
        key: the user key that is in force at the server; it is copied.
        agree: shows the user what is lost; whether they accept it.
        ask: see `solekey.open`.
        runtime: see `solekey.open`.

    Returns:
        Whether it was accepted.

    Raises:
        NoRestorationError: the server has all that this device has seen.
        RestorationRefusedError: it declares no restoration that explains what is lost, or has in force what
            this device has seen revoked or replaced.
        WrongUserKeyError: not the user key that is in force there.
        EvidenceError: what it shows is not sound.
    """
    runtime = make_runtime(runtime, ask)
    return accept_here(Profile.open(profile, runtime.ask), runtime, key.copy(), agree)
