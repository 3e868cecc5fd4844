"""The client against the real platform: the whole story, and what must be refused."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from solekey import Server, UserKey
from solekey.account.enrolment import log_in, trust_device
from solekey.errors import (
    DeviceNotTrustedError,
    DeviceRevokedError,
    FactorRefusedError,
    FactorRequiredError,
    InsecureServerError,
    LoginRefusedError,
    SessionEndedError,
    StepUpRequiredError,
    WrongUserKeyError,
)
from solekey.rotation.revocation import revoke_device
from solekey.rotation.rotation import change_user_key, rekey_data, resume_rotation, set_policy
from solekey_protocol.events import Stream
from solekey_protocol.events.auth import Factor, SessionSteppedUp
from solekey_protocol.limits import MAX_PART_BYTES, MIB
from solekey_protocol.streams import DeviceStatus
from tests.support.people.library_user import PASSWORD, LibraryUser
from tests.support.platform_process import PlatformProcess

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("bob"),
]  # his second factor ages from the first test on

STEP_UP_S = 30
IMPATIENT = Path(__file__).with_name("impatient_platform.py")  # a program: it patches threads when imported


@pytest.fixture(scope="module")
def bob(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LibraryUser]:
    """Has a laptop and a phone, at a platform of his own where second factors are fresh for 30 s only."""
    folder = tmp_path_factory.mktemp("impatient")
    process = PlatformProcess(folder / "data", program=(str(IMPATIENT),))
    process.folder.mkdir()
    process.start()
    try:
        bob = LibraryUser(process, folder)
        bob.sign_up().close()
        with bob.log_in("phone") as phone:
            trust_device(phone, bob.key())
        yield bob
    finally:
        process.stop()


def test_the_whole_story(ada: LibraryUser, tmp_path: Path):
    film = tmp_path / "film"
    film.write_bytes(os.urandom(MAX_PART_BYTES + MIB))
    with ada.open("laptop") as laptop, laptop.unlock(ada.key()) as vault:
        vault.put("notes", "hello")
        vault.put_many({f"n{number}": b"x" for number in range(50)})
        vault.put_file(film)
        set_policy(vault, user_key_max_age_days=90, data_key_max_age_days=365)
    with ada.log_in("phone") as phone:
        assert phone.devices.own_status is DeviceStatus.PENDING
        with phone.unlock(ada.key()) as vault, pytest.raises(DeviceNotTrustedError):
            vault.put("too early", "x")
        with pytest.raises(WrongUserKeyError):
            trust_device(phone, UserKey.make())
        trust_device(phone, ada.key())
        with phone.unlock(ada.key()) as vault:
            assert vault.get("notes").content == b"hello"
            vault.get_file("film", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == film.read_bytes()
    ada.platform.stop()
    ada.platform.start()
    with ada.open("laptop") as laptop, laptop.unlock(ada.key()) as vault:
        rekey_data(vault)
        change_user_key(vault, ada.new_key())
        assert vault.get("notes").content == b"hello"
        assert resume_rotation(vault) is None
    with ada.open("phone") as phone:
        with phone.unlock(ada.key()) as vault:
            vault.put("notes", "from the phone")
        with ada.open("laptop") as laptop, laptop.unlock(ada.key()) as vault:
            revocation = revoke_device(vault, phone.devices.own_id, ada.new_key())
            assert (revocation.known_epochs, revocation.epoch) == ((1, 2), 3)
            assert vault.get("notes").content == b"from the phone"
            assert len(vault.list()) == 52
        with pytest.raises((DeviceRevokedError, SessionEndedError)):
            phone.sync()
        with pytest.raises(DeviceRevokedError):
            ada.log_in("phone")


def test_a_second_factor_is_proven_again_and_sessions_are_ended(ada: LibraryUser):
    with ada.log_in("phone") as phone, ada.open("laptop") as laptop:
        with pytest.raises(FactorRefusedError) as refusal:
            laptop.step_up("000000")
        assert refusal.value.code == "login_refused"
        laptop.step_up(ada.code())
        laptop.sync()
        said = laptop.streams.events(Stream.AUTH)[-1].body
        assert said == SessionSteppedUp(laptop.connection.tokens.session, Factor.TOTP)
        (totp,) = laptop.factors.list()
        assert totp.factor is Factor.TOTP
        with pytest.raises(FactorRequiredError):
            laptop.factors.remove(totp.id)
        assert [info.device_name for info in laptop.sessions.list()] == ["laptop", "phone"]
        assert len(laptop.sessions.end_others()) == 1
        with pytest.raises(SessionEndedError):
            phone.sync()


def test_two_devices_write_the_same_item_at_the_same_moment(ada: LibraryUser):
    with ada.log_in("phone") as phone, ada.open("laptop") as laptop:
        trust_device(phone, ada.key())
        with laptop.unlock(ada.key()) as one, phone.unlock(ada.key()) as other:
            one.put("plan", "one")
            stored = other.put("plan", "other")
            assert stored.conflict
            assert {one.get(info.id).content for info in one.list()} == {b"one", b"other"}


def test_a_login_is_refused_without_saying_why(ada: LibraryUser):
    used = ada.code()
    ada.log_in("laptop", code=used).close()
    texts = set()
    for password, code in ((PASSWORD, used), (PASSWORD, "000000"), ("wrong", ada.code())):
        with pytest.raises(LoginRefusedError) as refusal:
            ada.log_in("laptop", password=password, code=code)
        texts.add(str(refusal.value))
    assert len(texts) == 1


def test_an_unknown_user_is_refused_with_the_same_words(ada: LibraryUser, tmp_path: Path):
    stranger = LibraryUser(ada.platform, tmp_path, username="nobody-here")
    with pytest.raises(LoginRefusedError) as unknown:
        stranger.log_in("other", code="123456")
    with pytest.raises(LoginRefusedError) as known:
        ada.log_in("laptop", password="wrong")
    assert str(unknown.value) == str(known.value)


def test_a_session_that_was_logged_out_is_over(ada: LibraryUser):
    with ada.open("laptop") as laptop, ada.open("laptop") as same:
        laptop.log_out()
        with pytest.raises(SessionEndedError):
            same.sync()


def test_another_authority_or_none_is_not_enough(ada: LibraryUser, tmp_path: Path):
    with pytest.raises(InsecureServerError, match="pinned"):
        log_in(
            tmp_path / "elsewhere",
            Server(ada.platform.url),
            username=ada.username,
            password=PASSWORD,
            code="123456",
        )


def test_a_revocation_asks_for_a_fresh_second_factor(bob: LibraryUser):
    """Last: what he proved when he signed up has grown old while the other tests ran."""
    with bob.open("laptop") as laptop, bob.open("phone") as phone:
        laptop.sync()
        proven_at = laptop.streams.auth.sessions[laptop.connection.tokens.session].proven_at.datetime
        # The limit runs by the real clock of a real platform: what is left of it must pass.
        time.sleep(max(proven_at.timestamp() + STEP_UP_S + 1 - time.time(), 0))
        with laptop.unlock(bob.key()) as vault, pytest.raises(StepUpRequiredError) as refusal:
            revoke_device(vault, phone.devices.own_id, UserKey.make())
        assert refusal.value.problem["max_age_s"] == STEP_UP_S
        asked = []
        laptop.connection.on_step_up = lambda: asked.append(laptop.step_up(bob.code()))
        with laptop.unlock(bob.key()) as vault:
            revoke_device(vault, phone.devices.own_id, bob.new_key())
        assert len(asked) == 1  # the rotations that follow a revocation ask for none
        with pytest.raises((DeviceRevokedError, SessionEndedError)):
            phone.sync()
