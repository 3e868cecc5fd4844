"""Proving a second factor again, inside a session. Spec: factors.md §5."""

from collections.abc import Iterator
from contextlib import contextmanager

from solekey.connection.connection import Connection
from solekey.connection.second_factor import FactorChallenge, Proof, open_proof
from solekey.errors import BadAnswerError, FactorRefusedError, LoginRefusedError
from solekey_protocol.encoding import Json
from solekey_protocol.events.auth import SessionSteppedUp
from solekey_protocol.services import Service


def step_up(connection: Connection, proof: Proof) -> None:
    """Prove a second factor in this session; for some minutes, what asks for a fresh one is allowed.

    Every service hears of it through the account's events: later requests wait until it has.

    Raises:
        FactorRefusedError: it was refused. TooManyAttemptsError: wait.
        PasskeyError: the security key did not sign.
    """
    members = connection.call_json(Service.AUTH, "POST", "step-up/challenges", {})
    challenge = str(members.get("challenge"))
    asked = FactorChallenge(connection.profile.server.origin, challenge, lambda: members.get("passkeys"))
    request: dict[str, Json] = {"challenge": challenge, "factor": open_proof(proof).prove(asked)}
    with factor_refusals():
        stepped_up, _ = connection.call_event(
            Service.AUTH, "POST", "step-up", request, expected=SessionSteppedUp
        )
    if stepped_up.session != connection.tokens.session:
        raise BadAnswerError("the server answered a step-up with that of another session")


@contextmanager
def factor_refusals() -> Iterator[None]:
    """Say of a refusal inside a session that it is about the second factor: no password was asked for."""
    try:
        yield
    except FactorRefusedError:
        raise
    except LoginRefusedError as refusal:
        raise FactorRefusedError(refusal.code, refusal.status, refusal.problem) from refusal
