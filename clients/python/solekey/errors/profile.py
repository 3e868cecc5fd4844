"""The profile folder. Spec: conventions.md §6."""

from solekey.errors.base import SolekeyError


class ProfileError(SolekeyError):
    """A profile folder that cannot be used."""

    code = "profile_unusable"
    ADVICE = "Check the folder's owner and permissions, or choose another with --profile."


class ProfileMissingError(ProfileError):
    """There is no profile in this folder."""

    code = "profile_missing"
    ADVICE = "Run `solekey signup`, or `solekey login` on a new device; or name the profile with --profile."


class ProfileExistsError(ProfileError):
    """The folder holds another account's profile."""

    code = "profile_exists"
    ADVICE = "Choose another folder with --profile; one profile is one device of one account."


class NotLoggedInError(ProfileError):
    """The profile has no session."""

    code = "not_logged_in"
    ADVICE = "Log in: `solekey login`."


class ForeignAccountError(ProfileError):
    """The server has another account under this profile's user name. Nothing was changed."""

    code = "account_differs"
    ADVICE = (
        "This is not the server that has your account, or somebody has taken the name there. Check the "
        "address (--server); for another account use a profile of its own (--profile NAME)."
    )
