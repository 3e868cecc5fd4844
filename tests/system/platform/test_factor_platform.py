"""The program ``solekey`` against the real platform: recovery codes, and another authenticator."""

import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, cast

import pyotp
import pytest

from solekey.account.session import Session
from solekey.connection.second_factor import RecoveryCode
from solekey.errors import FactorRefusedError
from tests.support.people.command_user import CommandUser
from tests.support.platform_process import PlatformProcess

pytestmark = pytest.mark.slow

REFUSED = 4
STEP_S = 30
_names = count(1)


@dataclass(frozen=True)
class Door:
    """Where the platform is; no proxy stands before it."""

    origin: str
    ca_file: Path


@pytest.fixture
def cora(platform: PlatformProcess, tmp_path: Path) -> CommandUser:
    """Has signed up on her laptop."""
    person = CommandUser(f"cora{next(_names)}", tmp_path, cast("Any", Door(platform.url, platform.ca)))
    person.sign_up("laptop")
    return person


def list_factors(person: CommandUser, device: str = "laptop") -> dict[str, Any]:
    rows = person.do(device, "factors", "list")["factors"]
    return {row["factor"]: row for row in rows}


def try_code(person: CommandUser, code: str, device: str = "phone") -> tuple[int, str]:
    outcome = person.try_(device, "login", "--recovery-code", code)
    return outcome.exit_code, "" if outcome.exit_code == 0 else outcome.error_code()


def test_a_lost_authenticator_is_replaced_with_a_recovery_code(cora: CommandUser) -> None:
    codes = cora.do("laptop", "factors", "recovery-codes")["codes"]
    assert len(set(codes)) == 10
    assert list_factors(cora)["recovery_codes"]["codes_left"] == 10
    assert try_code(cora, "aaaaa-aaaaa") == (REFUSED, "login_refused")
    assert try_code(cora, codes[0].upper().replace("-", "")) == (0, "")
    assert try_code(cora, codes[0], "tablet") == (REFUSED, "login_refused")
    old, lost = cora.codes.secret, list_factors(cora)["totp"]["factor_id"]
    cora.do("phone", "factors", "add-totp", "--new-code", "auto")
    factors = list_factors(cora, "phone")
    assert (factors["totp"]["factor_id"] != lost, factors["recovery_codes"]["codes_left"]) == (True, 9)
    cora.codes.secret = old
    refused = cora.log_in("phone")
    assert (refused.exit_code, refused.error_code()) == (REFUSED, "login_refused")
    assert try_code(cora, codes[1]) == (0, "")


def test_the_new_authenticator_opens_sessions_and_a_new_set_replaces_the_old_codes(cora: CommandUser) -> None:
    first = cora.do("laptop", "factors", "recovery-codes")["codes"]
    outcome = cora.try_("laptop", "factors", "add-totp", "--new-code", "auto")
    assert outcome.exit_code == 0, outcome.errors
    secret = next(document["secret"] for document in outcome.documents() if "secret" in document)
    code = pyotp.TOTP(secret).at(int(time.time()) + STEP_S)  # the present one was used to confirm it
    assert cora.try_("phone", "login", "--code", code).exit_code == 0
    path = cora.folder / "codes.txt"
    cora.do("phone", "factors", "recovery-codes", "--output", path)
    second = path.read_text().split()
    assert try_code(cora, first[0], "tablet") == (REFUSED, "login_refused")
    assert try_code(cora, second[0], "tablet") == (0, "")
    removed = cora.do("phone", "factors", "remove", "recovery_codes")
    assert removed["factor"] == "recovery_codes"
    assert try_code(cora, second[1], "tablet") == (REFUSED, "login_refused")
    kept = cora.try_("phone", "factors", "remove", "totp")
    assert kept.error_code() == "factor_required"


def test_a_session_steps_up_with_a_recovery_code_once(cora: CommandUser) -> None:
    with Session.open(cora.folder / "laptop") as session:
        code = session.factors.make_recovery_codes().codes[0]
        session.step_up(RecoveryCode(code))
        with pytest.raises(FactorRefusedError):
            session.step_up(RecoveryCode(code))
        assert [info.codes_left for info in session.factors.list()] == [None, 9]
