"""The account's factors and sessions. Spec: conventions.md §6."""

from solekey.errors.base import Action, SolekeyError


class AccountError(SolekeyError):
    """Something about the account itself."""

    code = "account_refused"


class FactorMissingError(AccountError):
    """There is no such second factor in this account, or several are called so."""

    code = "factor_missing"
    action = Action.LOOK_AGAIN
    ADVICE = "List the account's factors and use one of their ids."


class SessionMissingError(AccountError):
    """There is no such open session of this account, or several are called so."""

    code = "session_missing"
    action = Action.LOOK_AGAIN
    ADVICE = "List the open sessions and use one of their ids."


class OutputExistsError(AccountError):
    """There is a file where secrets were to be written. Nothing was changed."""

    code = "output_exists"
    action = Action.CHOOSE_ANOTHER
    ADVICE = "Choose another file name: a file with secrets in it is never overwritten."
