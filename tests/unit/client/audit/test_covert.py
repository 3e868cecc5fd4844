"""How much could be hidden: each field of a fact counts for what nobody recomputes."""

import math

from solekey.audit import Bounds, verify_log
from solekey.audit.covert import measure
from solekey_protocol.events import BODIES, auth
from tests.support.protocol.keyring import GHOST, LAPTOP, PHONE, digest, record
from tests.support.protocol.story import LAPTOP_SESSION, LATER, PHONE_SESSION, publish_signing_key, tell

TIME, TYPE = (
    math.ceil(math.log2(120_000)),
    math.ceil(math.log2(sum(not each.SIGNERS for each in BODIES.values()))),
)
KNOWN = {LAPTOP.device, PHONE.device}


def chosen(body) -> int:
    return sum(measure(record(body), KNOWN, Bounds()).values()) - TIME - TYPE


def test_what_nobody_recomputes_counts() -> None:
    session = 128 + 2 + math.ceil(math.log2(12 * 3600 * 1000))
    opened = auth.SessionOpened(LAPTOP_SESSION, LAPTOP.device, auth.Factor.TOTP, LATER)
    assert chosen(opened) == session + 1  # one of two devices
    assert chosen(auth.SessionOpened(LAPTOP_SESSION, GHOST.device, auth.Factor.TOTP, LATER)) == session + 128
    assert chosen(auth.MfaEnrolled(auth.Factor.PASSKEY, digest("anything"))) == 256 + 2
    assert chosen(auth.LoginFailed(auth.LoginStage.LOGIN_KEY)) == 1
    assert chosen(auth.AccountRegistered(1)) == chosen(auth.SessionRefreshed(PHONE_SESSION, 2)) == 0


def test_of_a_statement_the_operator_chooses_the_time_alone() -> None:
    said = next(event for event in tell() if event.signed is not None)
    assert measure(said, KNOWN, Bounds()) == {"time": TIME}


def test_a_report_adds_up_and_says_which_digests_are_of_unknown_bytes() -> None:
    log = [publish_signing_key(), *tell()]
    covert = verify_log([event.raw for event in log]).covert
    assert covert.total == sum(sum(measure(event, KNOWN, Bounds()).values()) for event in log)
    assert 0 < covert.most < covert.total
    assert covert.digests["vault.items_committed.v1 changes"] == 3
    assert covert.digests["vault.key_wrapped.v1 wrap"] == 2
