"""The profile folder. Spec: conventions.md §6."""

from solekey.errors.base import Action, SolekeyError


class ProfileError(SolekeyError):
    """A profile folder that cannot be used."""

    code = "profile_unusable"
    action = Action.CORRECT
    ADVICE = "Check the folder's owner and permissions, or choose another profile."


class ProfileMissingError(ProfileError):
    """There is no profile in this folder."""

    code = "profile_missing"
    action = Action.LOG_IN
    ADVICE = "Sign up, or log in on this new device; or name the right profile."


class ProfileExistsError(ProfileError):
    """The folder holds another account's profile."""

    code = "profile_exists"
    action = Action.CHOOSE_ANOTHER
    ADVICE = "Choose another folder; one profile is one device of one account."


class NotLoggedInError(ProfileError):
    """The profile has no session."""

    code = "not_logged_in"
    action = Action.LOG_IN
    ADVICE = "Log in with this profile."


class ForeignAccountError(ProfileError):
    """The server has another account under this profile's user name. Nothing was changed."""

    code = "account_differs"
    action = Action.CORRECT
    ADVICE = (
        "This is not the server that has your account, or somebody has taken the name there. Check the "
        "address; for another account use a profile of its own."
    )
