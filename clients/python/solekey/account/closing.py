"""Closing an account, for ever. Spec: authentication.md §5."""

from solekey.account.known_kdf import fetch_challenge
from solekey.connection.connection import Connection
from solekey_protocol.encoding import Json, encode_json
from solekey_protocol.events.auth import AccountClosed
from solekey_protocol.services import Service

CLOSE_CONTEXT = b"solekey/close/v1\x00"


def close_account(connection: Connection, password: str) -> None:
    """Close the account: nobody logs in to it again, on any device, and its sessions end. No way back.

    The profile keeps its verified copies; delete its folder when they are not needed as evidence.

    Raises:
        LoginRefusedError: the password is wrong.
        KdfSaltError: see `solekey.account.known_kdf`.
        StepUpRequiredError: see `Connection.on_step_up`.
    """
    profile = connection.profile
    challenge = fetch_challenge(connection)
    signed: dict[str, Json] = {
        "account": profile.account,
        "challenge": challenge.challenge,
        "origin": profile.server.origin,
    }
    with challenge.derive_login_key(password) as login_key:
        signature = login_key.sign(CLOSE_CONTEXT + encode_json(signed))
    request: dict[str, Json] = {"challenge": challenge.challenge, "signature": signature}
    connection.call_event(Service.AUTH, "POST", "close", request, expected=AccountClosed)
    profile.forget_tokens()
