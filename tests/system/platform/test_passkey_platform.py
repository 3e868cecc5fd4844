"""The whole way: the embedded platform in its own process, the client library, fido2, and a software key."""

import socket
import time
from itertools import count
from pathlib import Path

import pyotp
import pytest

from solekey import Server, UserKey
from solekey.account.enrolment import log_in
from solekey.account.sign_up import SignUp
from solekey.connection.second_factor import Passkey
from solekey.connection.security_keys import SecurityKey
from solekey.errors import FactorRequiredError, LoginRefusedError, PasskeyRefusedError
from solekey_protocol.events.auth import Factor
from tests.support.passkeys.authenticator import Authenticator
from tests.support.passkeys.hid import SoftwareKey
from tests.support.platform_process import PlatformProcess

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery staple"
_numbers = count(1)


def ignore(_: str) -> str:
    return ""


def plug_in(cable: SoftwareKey) -> SecurityKey:
    return SecurityKey(cable.plug_in(), ignore, lambda _: None)


@pytest.fixture
def platform(tmp_path: Path, request: pytest.FixtureRequest):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    host = getattr(request, "param", "localhost")
    process = PlatformProcess(tmp_path / "platform", port=port, origin=f"https://{host}:{port}")
    process.start()
    yield process
    process.stop()


class Ada:
    def __init__(self, platform: PlatformProcess, folder: Path) -> None:
        self.server = Server(platform.url, platform.ca)
        self.folder = folder
        self.username = f"user{next(_numbers)}"

    def sign_up(self):
        with SignUp(
            self.folder / "laptop", self.server, username=self.username, device_name="laptop"
        ) as sign_up:
            secret = sign_up.register(PASSWORD).secret
            session = sign_up.prove_second_factor(PASSWORD, pyotp.TOTP(secret).at(int(time.time())))
            sign_up.found(session, UserKey.make())
        return session

    def log_in(self, device: str, cable: SoftwareKey):
        return log_in(
            self.folder / device,
            self.server,
            username=self.username,
            password=PASSWORD,
            code=Passkey(plug_in(cable)),
            device_name=device,
        )


def test_a_key_is_added_used_and_kept(platform: PlatformProcess, tmp_path: Path):
    ada, cable = Ada(platform, tmp_path), SoftwareKey(Authenticator())
    with ada.sign_up() as laptop:
        passkey = laptop.factors.add_passkey(plug_in(cable), "the blue one")
        laptop.step_up(Passkey(plug_in(cable)))
        assert [(info.factor, info.name) for info in laptop.factors.list()] == [
            (Factor.TOTP, None),
            (Factor.PASSKEY, "the blue one"),
        ]
        with ada.log_in("phone", cable) as phone:
            laptop.factors.remove(laptop.factors.find("totp").id)
            assert [info.id for info in phone.factors.list()] == [passkey]
            with pytest.raises(FactorRequiredError):
                phone.factors.remove(passkey)
        copy = cable.authenticator.clone()
        copy.counter = 0
        with pytest.raises(LoginRefusedError):
            ada.log_in("tablet", SoftwareKey(copy))
        with ada.log_in("tablet", cable) as tablet:
            assert [info.id for info in tablet.factors.list()] == [passkey]


@pytest.mark.parametrize("platform", ["127.0.0.1"], indirect=True)
def test_an_address_takes_none_and_says_what_to_do(platform: PlatformProcess, tmp_path: Path):
    with Ada(platform, tmp_path).sign_up() as laptop:
        with pytest.raises(PasskeyRefusedError) as refusal:
            laptop.factors.add_passkey(plug_in(SoftwareKey(Authenticator())), "the blue one")
        assert refusal.value.code == "passkeys_unavailable"
        assert "address" in refusal.value.diagnostics()
