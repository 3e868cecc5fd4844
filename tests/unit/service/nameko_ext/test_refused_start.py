"""What a person must change is said in one line when a service cannot start."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from solekey_eventlog.bus import derive_topics, open_bus
from tests.support.demo_process import ORIGIN, ROOT

pytestmark = pytest.mark.slow


def start(folder: Path, database_url: str) -> tuple[int, list[str]]:
    """The exit code and the lines that count of a start that must fail."""
    bus_url = f"embedded://{folder / 'bus.db'}"
    with open_bus(bus_url) as bus:
        bus.create_topics(derive_topics())
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.demo_service", str(folder), bus_url, ORIGIN],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PATH": "", "DEMO_AUTH": database_url, "DEMO_VAULT": database_url},
        timeout=120,
        check=False,
    )
    return done.returncode, [line for line in done.stderr.splitlines() if " INFO " not in line]


@pytest.mark.postgres
def test_a_wrong_password_of_the_database_is_named(tmp_path: Path, new_postgres_url) -> None:
    url = make_url(new_postgres_url())
    # The server of the tests trusts local connections: a role that it does not have is refused in any case.
    wrong = url.set(username="nobody", password="wrong-password-7")
    code, said = start(tmp_path, wrong.render_as_string(hide_password=False))
    assert (code, len(said)) == (2, 1), said
    assert "the database does not answer" in said[0]
    assert '"nobody"' in said[0]
    assert "wrong-password-7" not in said[0]


@pytest.mark.postgres
def test_a_database_that_does_not_exist_is_named(tmp_path: Path, new_postgres_url) -> None:
    url = make_url(new_postgres_url()).set(database="no_such_database")
    code, said = start(tmp_path, url.render_as_string(hide_password=False))
    assert (code, len(said)) == (2, 1), said
    assert "no_such_database" in said[0]


def test_a_host_that_nobody_knows_is_named(tmp_path: Path) -> None:
    code, said = start(tmp_path, "postgresql://a:wrong-password-7@no-such-host.invalid/db")
    assert (code, len(said)) == (1, 1), said
    assert "no-such-host.invalid" in said[0]
    assert "wrong-password-7" not in said[0]
