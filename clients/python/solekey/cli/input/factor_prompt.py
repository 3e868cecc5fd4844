"""The second factor of a command: what its options gave, or a security key, or what is asked for.

A code works once, also for another device: whoever asks for one says when the present one is used up, and a
script that holds the authenticator's secret takes the next one. Spec: factors.md §2.1, §5.
"""

import re
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click

from solekey.cli.input.answers import ask, ask_person
from solekey.cli.output.printing import usage_error, warn
from solekey.cli.state import Cli

if TYPE_CHECKING:
    from solekey.account.session import Session
    from solekey.connection.passkeys import PasskeyDevice
    from solekey.connection.second_factor import Proof
    from solekey.runtime import Runtime

STEP_S: Final = 30
ATTEMPTS: Final = 3
AUTO: Final = "auto"
_CODE: Final = re.compile(r"[0-9]{6}", re.ASCII)
_RECOVERY_CODE: Final = re.compile(r"[a-z2-7]{5}-?[a-z2-7]{5}", re.ASCII | re.IGNORECASE)
_SHAPE: Final = "A recovery code is ten letters and digits from 2 to 7, such as abcde-fgh23."
_WHY_AGAIN: Final = "This asks for your second factor again, so that nobody does it at an unlocked screen."


def try_proofs(
    state: Cli, runtime: "Runtime", attempt: "Callable[[Proof], Session]", *, ask_again: bool = False
) -> "Session":
    """Log in with what was given, or is asked for; a wrong password ends it at once.

    Args:
        state: the invocation.
        runtime: clock and sleep.
        attempt: one login.
        ask_again: whether a typed code that was refused is asked for again, since all else is right.

    Raises:
        LoginRefusedError: nothing that there is to try was accepted.
    """
    from solekey.connection.second_factor import CheckedCode
    from solekey.errors import LoginRefusedError

    can_ask = ask_again and sys.stdin.isatty() and not state.second_factor.is_given
    refusal: LoginRefusedError | None = None
    for number in range(ATTEMPTS if can_ask else 1):
        if number:
            warn("That was not accepted. A code works once: enter the six digits that are shown now.")
        for proof in iter_proofs(state, runtime, logging_in=True):
            try:
                return attempt(proof)
            except LoginRefusedError as error:
                refusal = error
                if not (isinstance(proof, CheckedCode) and proof.password_is_right):
                    break
    raise refusal or click.UsageError("no second factor was given")


def iter_proofs(
    state: Cli, runtime: "Runtime", *, used_at: datetime | None = None, logging_in: bool = False
) -> "Iterator[Proof]":
    """Proofs to try, one after the other while they are refused; the first is the best.

    Args:
        state: the invocation, with what was given.
        runtime: clock and sleep.
        used_at: when a code of this account was accepted last, as far as this device knows.
        logging_in: whether a password is proven as well, so that it is to be checked before a code is tried.
    """
    from solekey.connection.second_factor import CheckedCode, Passkey, RecoveryCode

    given = state.second_factor
    if given.recovery_code is not None:
        if not _RECOVERY_CODE.fullmatch("".join(given.recovery_code.split())):
            raise usage_error("--recovery-code: {}", _SHAPE)
        yield RecoveryCode(given.recovery_code)
    elif given.passkey:
        yield Passkey(open_key())
    elif given.code is not None:
        yield parse_code("--code", given.code)
    elif given.totp_secret is not None:
        codes = _make_codes(state, given.totp_secret, runtime, used_at)
        yield from (CheckedCode(code) for code in codes) if logging_in else codes
    else:
        yield _ask_proof(runtime, used_at)


def ask_for_step_up(state: Cli, session: "Session") -> None:
    """Prove a second factor again: what `Connection.on_step_up` does for the command.

    Raises:
        LoginRefusedError: what was given, or typed three times, was refused.
    """
    from solekey.errors import LoginRefusedError

    given = state.second_factor
    asking = not given.is_given
    if asking:
        state.tell(_WHY_AGAIN)
    refusal: LoginRefusedError | None = None
    for attempt in range(ATTEMPTS if asking and sys.stdin.isatty() else 1):
        if attempt:
            warn("That was not accepted. A code works once: wait for the next one.")
        used_at = find_last_code(session)
        for proof in iter_proofs(state, session.connection.runtime, used_at=used_at):
            try:
                session.step_up(proof)
            except LoginRefusedError as error:
                refusal = error
            else:
                return
    raise refusal or click.UsageError("no second factor was given")


def open_key() -> "PasskeyDevice":
    """Open the security key that is connected; its PIN is asked for like a token's."""
    from solekey.connection.security_keys import open_security_key

    return open_security_key(ask=ask_person, tell=lambda text: warn("{}", text))


def find_last_code(session: "Session") -> datetime | None:
    """Find when a code of the account's authenticator was accepted last, on whichever device."""
    from solekey_protocol.events import Stream
    from solekey_protocol.events.auth import Factor, SessionOpened, SessionSteppedUp

    session.streams.sync(Stream.AUTH)
    for event in reversed(session.streams.events(Stream.AUTH)):
        if isinstance(event.body, SessionOpened | SessionSteppedUp) and event.body.factor is Factor.TOTP:
            return event.time.datetime
    return None


def parse_code(flag: str, given: str) -> str:
    """Parse the six digits that an authenticator shows. Raises click.UsageError."""
    code = "".join(given.split())
    if not _CODE.fullmatch(code):
        raise usage_error("{}: a code is six digits, as the authenticator app shows them", flag)
    return code


def _make_codes(state: Cli, secret: str, runtime: "Runtime", used_at: datetime | None) -> Iterator[str]:
    """Codes of three steps, each as soon as servers take it: one step early. A used step is passed over."""
    import pyotp

    try:
        generator = pyotp.TOTP("".join(secret.split()))
        generator.generate_otp(0)
    except ValueError as error:  # base32 that is none
        raise click.UsageError(
            "--totp-secret: an authenticator's secret is letters and digits from 2 to 7"
        ) from error
    step = _step(runtime.now())
    if used_at is not None:
        step = min(max(step, _step(used_at) + 1), step + 2)  # never wait for a clock that is far ahead
    for each in range(step, step + 3):
        wait_s = max((each - 1) * STEP_S + 0.5 - runtime.now().timestamp(), 0)
        if wait_s >= 1:
            state.tell("Waiting {} s for the authenticator's next code: each works once.", round(wait_s))
        runtime.sleep(wait_s)
        yield generator.generate_otp(each)


def _ask_proof(runtime: "Runtime", used_at: datetime | None) -> "Proof":
    from solekey.connection.second_factor import RecoveryCode

    question = "Authenticator code"
    if used_at is not None and _step(used_at) >= _step(runtime.now()):
        wait_s = max(int((_step(used_at) + 1) * STEP_S - runtime.now().timestamp()) + 1, 1)
        question += f" (the next one, in {wait_s} s: each works once, and the present one is used)"
    for _ in range(ATTEMPTS):
        typed = "".join(ask(None, question, "--code", hidden=False).split())
        if _CODE.fullmatch(typed):
            return typed
        if _RECOVERY_CODE.fullmatch(typed):
            return RecoveryCode(typed)
        warn("A code is six digits. {}", _SHAPE)
    raise click.UsageError("what was typed is neither an authenticator's code nor a recovery code")


def _step(moment: datetime) -> int:
    return int(moment.timestamp()) // STEP_S
