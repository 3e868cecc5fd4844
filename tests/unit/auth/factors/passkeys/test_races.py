"""What may happen once happens once, whoever is faster; and what the domain decides about factors."""

import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from solekey_auth.credentials.repository import CredentialRepository
from solekey_auth.domain import FactorUse, decide_opening, decide_passkey, decide_removal, decide_step_up
from solekey_auth.factors.proof import ProvenPasskey, parse_proof
from solekey_auth.factors.repository import FactorRepository
from solekey_auth.limits import MAX_PASSKEYS, AuthLimits
from solekey_auth.refusals import FactorRequired, LoginRefused, TooManyPasskeys
from solekey_protocol.events import auth as events
from solekey_protocol.ids import compute_digest
from solekey_protocol.streams import AuthStream, DevicesStream
from solekey_service.refusals import NotFound, SessionOver
from solekey_service.transaction import StaleRowError
from tests.support.actors import Actor
from tests.support.passkeys.desk import KeyRing
from tests.support.people.person import code_of

ANA = Actor("ana", "laptop")
NOW = datetime(2026, 11, 24, tzinfo=UTC)
IDS = [compute_digest(bytes([number])) for number in range(MAX_PASSKEYS + 1)]
PASSKEY, TOTP, CODES = events.Factor.PASSKEY, events.Factor.TOTP, events.Factor.RECOVERY_CODES


def having(factors, *, closed=False):
    return replace(AuthStream.start(ANA.account), factors=factors, closed=closed)


def test_passkeys_are_added_up_to_a_number():
    full = dict.fromkeys(IDS[:MAX_PASSKEYS], PASSKEY)
    with pytest.raises(TooManyPasskeys):
        decide_passkey(having(full), IDS[-1])
    room = {**full, IDS[0]: TOTP}
    assert decide_passkey(having(room), IDS[-1]) == [events.MfaEnrolled(PASSKEY, IDS[-1])]
    with pytest.raises(NotFound):
        decide_passkey(having({}, closed=True), IDS[0])


@pytest.mark.parametrize(
    ("kept", "enough"),
    [([], False), ([CODES], False), ([TOTP], True), ([PASSKEY], True), ([PASSKEY, CODES], True)],
)
@pytest.mark.parametrize("removed", [TOTP, PASSKEY])
def test_a_required_factor_stays(kept, enough, removed):
    auth = having({IDS[0]: removed} | dict(zip(IDS[1:], kept, strict=False)))
    if enough:
        assert decide_removal(auth, IDS[0], AuthLimits()) == [events.MfaRemoved(removed, IDS[0])]
    else:
        with pytest.raises(FactorRequired):
            decide_removal(auth, IDS[0], AuthLimits())
    with pytest.raises(NotFound):
        decide_removal(auth, IDS[-1], AuthLimits())


def test_a_session_that_is_not_open_does_not_step_up():
    with pytest.raises(SessionOver):
        decide_step_up(having({IDS[0]: TOTP}), ANA.session, FactorUse(TOTP, IDS[0]))


def test_only_the_first_login_enrols():
    """A code of an authenticator that was removed must not bring it back."""
    devices, login = DevicesStream.start(ANA.account), (ANA.session, ANA.device, FactorUse(TOTP, IDS[0]), NOW)
    with pytest.raises(LoginRefused):
        decide_opening(having({IDS[1]: PASSKEY}), devices, *login)
    assert events.MfaEnrolled(TOTP, IDS[0]) in decide_opening(having({}), devices, *login)


def test_a_counter_that_somebody_raised_meanwhile_is_a_lost_race(ana):
    ana.add()
    kernel = ana.desk.api.kernel
    account = ana.person.actor.account
    with kernel.store.begin() as uow:
        factors = FactorRepository(uow.connection)
        (passkey,) = factors.find_passkeys(account)
        use = FactorUse(PASSKEY, passkey.factor_id)
        factors.use(account, ProvenPasskey(use, passkey, 7), uow.now)
    with kernel.store.begin() as uow:
        factors = FactorRepository(uow.connection)
        with pytest.raises(StaleRowError):
            factors.use(account, ProvenPasskey(use, passkey, 8), uow.now)
        (again,) = factors.find_passkeys(account)
    assert again.sign_count == 7


def test_a_passkey_is_looked_for_in_its_own_account(ana, ben):
    ana.add()
    kernel = ana.desk.api.kernel
    proof = parse_proof(ana.browser.get(bytes(32), ana.fetch_step_up()[1]))
    with kernel.store.begin() as uow:
        find = FactorRepository(uow.connection).find_checked
        of_ana, of_ben = (
            CredentialRepository(uow.connection).find(keys.person.actor.account) for keys in (ana, ben)
        )
        assert find(of_ana, proof).passkey is not None
        assert find(of_ben, proof).passkey is None


def test_one_of_many_simultaneous_uses_of_an_assertion_wins(ana):
    ana.add()
    challenge, passkeys = ana.fetch_step_up()
    factor = ana.browser.get(bytes.fromhex(challenge), passkeys)
    answers, start = [], threading.Barrier(4)

    def try_it() -> None:
        keys = KeyRing(ana.desk, ana.person)
        keys.session = ana.session
        start.wait()
        answers.append(code_of(keys.ask(keys.api.post_step_up, {"challenge": challenge, "factor": factor})))

    threads = [threading.Thread(target=try_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won, *lost = sorted(answers)
    assert won.startswith("200")
    assert set(lost) == {"401 login_refused"}
