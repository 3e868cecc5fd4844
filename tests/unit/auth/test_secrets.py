"""What must never be seen: no repr, log line, event, problem or row tells a secret; and the grid of files."""

import logging
import pickle
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy

import solekey_auth
from solekey_auth.config import AuthConfig
from solekey_auth.credentials.kdf import KdfWork
from solekey_auth.factors.proof import TotpProof
from solekey_auth.operator_key import OperatorKey, Purpose
from solekey_auth.sessions.logins import LoginAttempt
from solekey_auth.sessions.sessions import RefreshToken
from solekey_auth.signing_keys.signing_keys import SigningKey, SigningSecret
from solekey_auth.tables import metadata
from solekey_eventlog.errors import ConfigError
from solekey_protocol.events import Stream
from solekey_protocol.events.auth import Factor
from solekey_protocol.ids import SYSTEM_ACCOUNT, SignatureHex
from solekey_service.config import load_config
from tests.support.keys import Key, derive_raw
from tests.support.migrated_schema import find_differences
from tests.support.people.person import OPERATOR_KEY, SIGNING_KEY, Desk, Person, code_of, compute_code, read
from tests.support.tickets import thumbprint_of

ENVIRONMENT = {
    "SOLEKEY_DATABASE_URL": "sqlite:////tmp/x.db",
    "SOLEKEY_BUS_URL": "embedded:////tmp/b.db",
    "SOLEKEY_ORIGIN": "https://solekey.test",
    "SOLEKEY_OPERATOR_KEY": OPERATOR_KEY,
    "SOLEKEY_SIGNING_KEY": SIGNING_KEY,
}
SECRET = derive_raw("a secret", 32)


@pytest.mark.parametrize(
    "thing", [OperatorKey(SECRET), SigningKey(SECRET), SigningSecret(SECRET), RefreshToken(SECRET)], ids=repr
)
def test_a_secret_is_redacted_and_not_pickled(thing):
    assert "<redacted>" in repr(thing)
    assert SECRET.hex() not in repr(thing) + str(thing)
    with pytest.raises(TypeError):
        pickle.dumps(thing)


@pytest.mark.parametrize("kind", [OperatorKey, SigningKey, SigningSecret, RefreshToken])
def test_a_secret_has_its_length(kind):
    with pytest.raises(ValueError, match="32 bytes"):
        kind(SECRET[:31])


def test_an_attempt_shows_neither_code_nor_challenge_nor_signature():
    key = Key("device")
    signature = SignatureHex("ab" * 64)
    attempt = LoginAttempt("ana", "cd" * 32, signature, None, thumbprint_of(key), "https://x")
    shown = repr((attempt, TotpProof("123456")))
    assert not any(secret in shown for secret in ("123456", "cd" * 8, "ab" * 8))


def test_every_purpose_and_context_derives_another_secret():
    key = OperatorKey(SECRET)
    derived = {key.derive(purpose, *context) for purpose in Purpose for context in ((), (b"a",), (b"a", b""))}
    assert len(derived) == 3 * len(Purpose)
    assert key.derive(Purpose.TOTP_SECRET, b"ab", b"c") != key.derive(Purpose.TOTP_SECRET, b"a", b"bc")
    assert OperatorKey(bytes(32)).derive(Purpose.TOTP_SECRET) != key.derive(Purpose.TOTP_SECRET)


def test_the_configuration_is_loaded_and_shows_no_secret():
    config = load_config(AuthConfig, ENVIRONMENT)
    assert OPERATOR_KEY not in repr(config)
    assert SIGNING_KEY not in repr(config)
    assert config.limits.session_idle.total_seconds() == 1800
    assert config.limits.session_absolute.total_seconds() == 12 * 3600
    assert config.limits.required_factors == {Factor.TOTP, Factor.PASSKEY}
    alone = load_config(AuthConfig, ENVIRONMENT | {"SOLEKEY_REQUIRED_FACTORS": " passkey "})
    assert alone.limits.required_factors == {Factor.PASSKEY}
    assert config.find_kdf_wanted() is None
    more = load_config(AuthConfig, ENVIRONMENT | {"SOLEKEY_KDF_WANTED": "iterations=4, memory_kib=131072"})
    assert more.find_kdf_wanted() == KdfWork(131072, 4, 4)


@pytest.mark.parametrize(
    "changes",
    [
        {"OPERATOR_KEY": "short"},
        {"OPERATOR_KEY": "AB" * 32},
        {"SIGNING_KEY": ""},
        {"SIGNING_KEY": OPERATOR_KEY},
        {"SESSION_IDLE_S": "10"},
        {"SESSION_ABSOLUTE_S": "60"},
        {"SESSION_ABSOLUTE_S": "604801"},
        {"ACCESS_TOKEN_S": "301"},
        {"LOGIN_FAILURES_NAME": "0"},
        {"TRUSTED_PROXIES": "10.0.0.1/8"},
        {"SIGNING_KEY_DAYS": "1"},
        {"TOTP_ISSUER": "a:b"},
        {"SESION_IDLE_S": "1800"},
        {"REQUIRED_FACTORS": ""},
        {"REQUIRED_FACTORS": "totp;passkey"},
        {"REQUIRED_FACTORS": "totp,totp"},
        {"REQUIRED_FACTORS": "totp,recovery_codes"},
        {"REQUIRED_FACTORS": "TOTP"},
        {"KDF_WANTED": "131072"},
        {"KDF_WANTED": "iterations=4,iterations=5"},
        {"KDF_WANTED": "iterations=2"},
        {"KDF_WANTED": "memory_kib=65535"},
        {"KDF_WANTED": "memory_kib=1048577"},
        {"KDF_WANTED": "lanes=4;iterations=4"},
        {"KDF_WANTED": "salt=00"},
    ],
)
def test_a_configuration_that_cannot_work_stops_the_start(changes):
    environment = ENVIRONMENT | {f"SOLEKEY_{name}": value for name, value in changes.items()}
    with pytest.raises(ConfigError) as refused:
        load_config(AuthConfig, environment)
    assert OPERATOR_KEY not in str(refused.value)


@pytest.mark.parametrize("missing", ["SOLEKEY_OPERATOR_KEY", "SOLEKEY_SIGNING_KEY"])
def test_neither_key_has_a_default(missing):
    with pytest.raises(ConfigError, match=missing):
        load_config(AuthConfig, {name: value for name, value in ENVIRONMENT.items() if name != missing})


def test_the_migrated_schema_is_the_metadata(desk):
    assert find_differences(desk.api.kernel.engine, metadata) == []


def test_the_whole_story_leaves_no_secret_in_rows_events_logs_or_problems(desk, rig, caplog):
    caplog.set_level(logging.DEBUG)
    ana = Person()
    desk.register(ana)
    challenge, code = desk.challenge(ana.username), compute_code(ana.totp_secret, desk.now)
    opened = read(desk.log_in(ana, challenge=challenge, code=code))
    refreshed = read(desk.refresh(opened["refresh_token"], ana.device_key))
    problems = [desk.log_in(ana, challenge=challenge, code=code).body]
    rig.clock.advance(11)
    problems.append(desk.refresh(opened["refresh_token"], ana.device_key).body)
    desk.api.timers.report_failed_logins()
    secrets = [
        challenge,
        ana.totp_secret,
        OPERATOR_KEY,
        SIGNING_KEY,
        *opened["tokens"].values(),
        opened["refresh_token"],
        refreshed["refresh_token"],
        opened["refresh_token"].removeprefix("skr_"),
    ]
    rows = dump(desk)
    events = b"".join(
        event.raw
        for account in (ana.actor.account, SYSTEM_ACCOUNT)
        for event in rig.events(Stream.AUTH, account)
    )
    for secret in secrets:
        assert secret not in rows + caplog.text + events.decode() + b"".join(problems).decode()
    assert ana.username not in events.decode() + caplog.text
    # Positive control: what is looked for would be found.
    assert ana.login_key.public in rows
    assert opened["session"] in rows
    assert opened["session"] in events.decode()


def test_names_that_nobody_has_are_not_kept(desk):
    typed_into_the_wrong_field = "hunter2hunter2"
    desk.log_in(Person().with_(username=typed_into_the_wrong_field, totp_secret="A" * 32))
    assert typed_into_the_wrong_field not in dump(desk)


def test_private_rows_that_cannot_matter_any_more_are_purged(desk, ana):
    desk.challenge("nobody@example.org")
    desk.log_in(ana.with_(login_key=Key("wrong")))
    desk.log_in(ana.with_(username="nobody@example.org"))
    desk.rig.clock.advance(3600)
    desk.api.timers.purge()
    assert count(desk, "login_failures") == 1  # not reported yet: it outlives the brake
    desk.api.timers.report_failed_logins()
    desk.api.timers.purge()
    tables = ("login_failures", "rate_buckets", "challenges", "credentials")
    assert {table: count(desk, table) for table in tables} == dict.fromkeys(tables, 0)


def test_a_restart_keeps_credentials(desk: Desk, ana: Person):
    assert code_of(desk.restart().log_in(ana)) == "201 None"


def test_the_files_are_those_of_every_service():
    here = Path(solekey_auth.__file__).parent
    same = "__init__ __main__ api config definition domain refusals tables"
    assert {f"{name}.py" for name in same.split()} <= {path.name for path in here.glob("*.py")}
    assert (here / "migrations/env.py").exists()
    assert (here / "migrations/versions/0001_initial.py").exists()
    long = {path.name: len(path.read_text().splitlines()) for path in here.rglob("*.py")}
    assert {name: lines for name, lines in long.items() if lines > 400} == {}


def dump(desk: Desk) -> str:
    """Every value of every private row; bytes as hex."""
    with desk.api.kernel.store.read() as uow:
        rows = [
            value.hex() if isinstance(value, bytes) else str(value)
            for table in metadata.sorted_tables
            for row in uow.connection.execute(sqlalchemy.select(table))
            for value in row
        ]
    return "\n".join(rows)


def count(desk: Desk, table: str) -> int:
    with desk.api.kernel.store.read() as uow:
        query = sqlalchemy.select(sqlalchemy.func.count()).select_from(metadata.tables[table])
        return int(uow.connection.execute(query).scalar_one())


def test_sqlite_knows_returning():
    assert sqlite3.sqlite_version_info >= (3, 35)
