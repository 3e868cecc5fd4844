"""No usable answer from the server, or one that no honest server gives. Spec: conventions.md §6."""

from solekey.errors.base import Action, SolekeyError


class TransportError(SolekeyError):
    """The server gave no usable answer."""

    code = "transport_failed"
    action = Action.RETRY
    ADVICE = "Check the connection and try again; nothing that was acknowledged is lost."


class InsecureServerError(TransportError):
    """The server's address is not https, or the server is not the pinned one."""

    code = "insecure_server"
    action = Action.ASK_OPERATOR
    ADVICE = (
        "Use the server's https:// address and its own CA file. If they changed, ask the operator by "
        "another way; a profile follows a renewed authority."
    )


class ClockWrongError(TransportError):
    """This machine's clock does not agree with the server's clock or the dates of its certificate."""

    code = "clock_wrong"
    action = Action.CORRECT
    ADVICE = (
        "Compare this machine's clock and its date with another clock, and set them. If they are right, tell "
        "the operator, and do not go on."
    )


class RedirectError(TransportError):
    """The server answered with a redirect; proofs and tokens are for one host only."""

    code = "redirect_refused"
    action = Action.ASK_OPERATOR
    ADVICE = "Ask the operator for the service's own address and use that; redirects are never followed."


class UnreachableError(TransportError):
    """The server did not answer, also not when asked again."""

    code = "server_unreachable"
    ADVICE = (
        "Check the connection and try again; nothing that was acknowledged is lost. If the server has "
        "moved, log in at its new address."
    )


class OfflineError(TransportError):
    """This needs the server, and the account was opened without it."""

    code = "offline"
    ADVICE = "Try again when the server answers. Until then you can read what this device keeps."


class BadAnswerError(TransportError):
    """The server's answer does not follow the API."""

    code = "bad_answer"
    action = Action.UPDATE
    ADVICE = "Check the server address; if it is right, client and server are of different releases."


class EvidenceError(SolekeyError):
    """The server did what no honest server does."""

    code = "server_misbehaved"
    action = Action.STOP
    ADVICE = "Stop using this server, keep the profile folder as evidence, and run an audit."


class RollbackError(EvidenceError):
    """The server shows less of a stream than it has shown or named before."""

    code = "rollback_detected"


class HistoryForkError(EvidenceError):
    """The server shows another history than before; both records are in ``fork-evidence.json``."""

    code = "fork_detected"


class RestorationRefusedError(EvidenceError):
    """The server went back, and what it declares or shows is no restoration that a user may accept."""

    code = "restoration_refused"
    ADVICE = (
        "Nothing was changed on this device. Ask the operator by another way. What was revoked or replaced "
        "must be revoked or replaced again first: log in with a new profile, do it there, and accept the "
        "restoration here afterwards."
    )


class ForgedEventError(EvidenceError):
    """A record lacks the required signature, or breaks the rules of its stream."""

    code = "event_forged"


class KdfSaltError(EvidenceError):
    """The salt for the password has changed since the last login, and no event explains it."""

    code = "kdf_salt_changed"
    ADVICE = (
        "Nobody has changed this account's password, as far as its log shows, but the server asked for it "
        "in another form, as one does to guess it. Stop using this server, keep the profile folder as "
        "evidence, and use this password nowhere else."
    )


class SwappedObjectError(EvidenceError):
    """The server's bytes are not those that a signed commit names, or it has none."""

    code = "object_swapped"


class ChangeListError(SwappedObjectError):
    """The change list of a commit is damaged, replaced or lost: what lives after it cannot be known.

    Unlike one damaged item this concerns all of them, on devices that have not followed this commit yet.
    """

    code = "change_list_unreadable"
    ADVICE = (
        "A device that has followed this commit before still reads everything: back its items up there. "
        "The operator can restore the object from a backup; nothing else repairs it."
    )


class LostObjectError(SwappedObjectError):
    """The server says that it lacks an object that a signed commit names."""

    code = "object_lost"


class KdfParametersError(SolekeyError):
    """The client refuses the server's password parameters."""

    code = "kdf_refused"
    action = Action.STOP
    ADVICE = "The server may be hostile or misconfigured: your password was not used. Tell its operator."


class KdfDowngradeError(KdfParametersError):
    """The server's password parameters are weaker than the client's minimum."""

    code = "kdf_downgrade"


class KdfExcessiveError(KdfParametersError):
    """The server's password parameters would exhaust this machine."""

    code = "kdf_excessive"
