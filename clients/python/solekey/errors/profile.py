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
