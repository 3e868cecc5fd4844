"""The password: changed, or stretched anew with more work. It proves who one is and decrypts nothing.

Both put another login key in the place of the present one, proven by both keys. Changing the password ends
all other sessions; an upgrade, which keeps it, ends none. Spec: authentication.md §4, keys.md §6.3.
"""

from solekey.account.known_kdf import fetch_challenge
from solekey.connection.connection import Connection
from solekey.connection.login import LoginChallenge
from solekey.crypto import (
    KdfParameters,
    KdfStrength,
    KnownKdf,
    LoginIdentity,
    LoginKey,
    derive_login_key,
)
from solekey.crypto.new_password import verify_new_password
from solekey.errors import BadAnswerError
from solekey_protocol.encoding import Json, encode_json
from solekey_protocol.events.auth import LoginKeyChange, LoginKeyChanged
from solekey_protocol.services import Service

CHANGE_CONTEXT = b"solekey/login-key/v1\x00"


def change_password(connection: Connection, password: str, new_password: str) -> None:
    """Change the password. All other sessions of the account end; this one goes on.

    Raises:
        LoginRefusedError: the present password is wrong.
        KdfSaltError: see `solekey.account.known_kdf`.
        StepUpRequiredError: see `Connection.on_step_up`.
        WeakPasswordError, PasswordTextError: the new one cannot be used.
    """
    verify_new_password(new_password, connection.profile.details.username)
    _replace(connection, password, new_password, LoginKeyChange.PASSWORD_CHANGED)


def upgrade_kdf(connection: Connection, password: str, used: LoginChallenge) -> bool:
    """Have the password stretched with more work, or for the server's new place. True: it is from now on.

    Args:
        connection: the session.
        password: the password that has just logged in.
        used: what it logged in with.

    Raises:
        ServerRefusedError: not possible now; the present parameters stay.
    """
    stays = used.identity.origin == connection.profile.server.origin
    if stays and _choose_work(used) == used.kdf.strength:
        return False
    _replace(connection, password, password, LoginKeyChange.KDF_UPGRADED)
    return True


def _replace(connection: Connection, password: str, new_password: str, reason: LoginKeyChange) -> None:
    profile = connection.profile
    challenge = fetch_challenge(connection)
    parameters = KdfParameters.make(connection.runtime.random, _choose_work(challenge))
    identity = LoginIdentity(profile.server.origin, profile.details.username)
    with (
        challenge.derive_login_key(password) as old,
        derive_login_key(new_password, parameters, identity) as new,
    ):
        members = _sign(connection, challenge, parameters, reason, old, new)
    changed, seq = (
        connection.call_event(  # repeated when the answer is lost: the server answers the same again
            Service.AUTH, "POST", "login-key", members, expected=LoginKeyChanged, repeatable=True
        )
    )
    if changed.reason is not reason:
        raise BadAnswerError("the server answered a change of the login key with another one")
    profile.note_kdf(KnownKdf(parameters.strength, parameters.salt, identity.origin, seq))


def _choose_work(challenge: LoginChallenge) -> KdfStrength:
    """Never less than the password is stretched with now, and what the server may ask for."""
    present = challenge.kdf.strength
    return present | challenge.wanted.capped() if challenge.wanted is not None else present


def _sign(
    connection: Connection,
    challenge: LoginChallenge,
    parameters: KdfParameters,
    reason: LoginKeyChange,
    old: LoginKey,
    new: LoginKey,
) -> dict[str, Json]:
    members: dict[str, Json] = {
        "challenge": challenge.challenge,
        "kdf": parameters.encode(),
        "login_key": new.public_key,
        "reason": reason.value,
    }
    message = CHANGE_CONTEXT + encode_json({**members, "origin": connection.profile.server.origin})
    return {**members, "signature": old.sign(message), "proof": new.sign(message)}
