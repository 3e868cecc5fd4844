"""The platform for the tests of apps, as an app's tests use it."""

import subprocess
import sys

import pytest

import solekey
from solekey import DeviceStatus
from solekey.testing import Platform, PlatformError

APP_TESTS = """
pytest_plugins = ["solekey.testing.fixtures"]


def test_one(solekey_account):
    solekey_account.items.put("note", "hello")
    assert solekey_account.items.get("note").content == b"hello"
    assert solekey_account.factors.make_recovery_codes().codes


def test_two(solekey_account, solekey_platform):
    assert solekey_account.items.list() == []
    assert solekey_account.server == solekey_platform.server.origin
"""


@pytest.mark.slow
def test_a_test_of_an_app(tmp_path):
    with Platform() as platform:
        user = platform.sign_up(tmp_path / "laptop")
        with (
            user.make_key() as key,
            solekey.open(tmp_path / "laptop", key=key, on_step_up=user.make_code) as laptop,
            user.log_in(tmp_path / "phone", device_name="phone") as phone,
        ):
            laptop.items.put("note", "hello")
            assert phone.devices.own_status is DeviceStatus.PENDING
            laptop.devices.approve(phone.devices.derive_code())
            platform.stop()
            platform.start()
            with phone.keys.unlock(key) as items:
                assert items.get("note").content == b"hello"
        assert user.phrase not in repr(user)


@pytest.mark.slow
def test_the_fixtures(tmp_path):
    (tmp_path / "test_app.py").write_text(APP_TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_app.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_without_the_services_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ImportError, match=r"pip install 'solekey\[testing\]'"):
        Platform()


@pytest.mark.slow
def test_a_platform_that_does_not_start_says_why(tmp_path):
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises((PlatformError, OSError)):
        Platform(tmp_path).start()
