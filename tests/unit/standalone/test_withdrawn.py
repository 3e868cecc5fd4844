"""What an earlier restoration withdrew is kept by the next one, whose log knows nothing of it."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert, select

from solekey_auth.tables import barred_devices, credentials, metadata, recovery_codes
from solekey_standalone.withdrawn import keep_withdrawn

FOUNDATIONS = metadata.tables["foundations"]
NAMES = ("ana", "ben")


def make(path: Path, *, restored: bool, barred: Sequence[str], with_codes: Sequence[str]) -> Path:
    """Make a database of auth with the accounts of NAMES."""
    engine = create_engine(f"sqlite:///{path}")
    metadata.create_all(engine)
    numbers = dict.fromkeys(("kdf_memory_kib", "kdf_iterations", "kdf_lanes", "last_totp_step"), 1)
    others = {"kdf_salt": b"s", "totp_salt": b"s", "proven": True, "registered_at": datetime.now(UTC)}
    with engine.begin() as connection:
        for name in NAMES:
            own = dict.fromkeys(("account", "username", "login_key"), name)
            connection.execute(insert(credentials).values(**own, **numbers, **others))
        for device in barred:
            connection.execute(insert(barred_devices).values(account="ana", device=device))
        for name in with_codes:
            connection.execute(insert(recovery_codes).values(digest=name, account=name, salt=b"s"))
        if restored:
            connection.execute(insert(FOUNDATIONS).values(name="restored:then", value="then"))
    engine.dispose()
    return path


def read(path: Path) -> tuple[set[str], set[str]]:
    """The devices that are barred, and the accounts with recovery codes."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        barred = set(connection.execute(select(barred_devices.c.device)).scalars())
        with_codes = set(connection.execute(select(recovery_codes.c.account)).scalars())
    engine.dispose()
    return barred, with_codes


@pytest.mark.parametrize(("restored", "left"), [(True, {"ben"}), (False, {"ana", "ben"})])
def test_barred_devices_stay_and_codes_that_a_restoration_deleted(
    tmp_path: Path, restored: bool, left: set[str]
) -> None:
    """A database that was never restored may be the damaged one: it says nothing of recovery codes."""
    before = make(tmp_path / "before.db", restored=restored, barred=["phone", "pad"], with_codes=["ben"])
    now = make(tmp_path / "now.db", restored=False, barred=["pad", "old"], with_codes=NAMES)
    keep_withdrawn(before, now)
    keep_withdrawn(before, now)  # again: nothing more
    assert read(now) == ({"phone", "pad", "old"}, left)


def test_a_database_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    now = make(tmp_path / "now.db", restored=False, barred=["old"], with_codes=NAMES)
    (tmp_path / "before.db").write_bytes(b"no database at all, and longer than its header")
    with pytest.raises(sqlite3.DatabaseError):
        keep_withdrawn(tmp_path / "before.db", now)
    assert read(now) == ({"old"}, set(NAMES))
