"""Another operator key takes the place of the former one, and nobody loses a factor: authentication.md §7."""

import base64
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count as count_down

import pytest
from sqlalchemy import select, text

from solekey_auth.credentials.repository import CredentialRepository
from solekey_auth.definition import DEFINITION
from solekey_auth.factors.recovery_codes import parse_recovery_code
from solekey_auth.key_change import keyring, moving
from solekey_auth.key_change.repository import OperatorKeyRepository
from solekey_auth.operator_key import OperatorKey, Purpose
from solekey_auth.tables import metadata
from solekey_eventlog.errors import ConfigError
from solekey_eventlog.secret import Secret
from solekey_protocol.events import Stream
from solekey_service.operator_command import OperatorCommand
from tests.support.passkeys.desk import KeyRing
from tests.support.people.account_requests import Seat
from tests.support.people.person import OPERATOR_KEY, Desk, Person, code_of, compute_code, read

SECOND, THIRD = "a1" * 32, "b2" * 32
NOTHING_BEHIND = {"authenticators": 0, "recovery codes": 0, "closed names": 0}


class KilledError(Exception):
    """The process ends here."""


def start_with(desk: Desk, key: str, former: str = "") -> Desk:
    """Start the service with other keys in the place of the one that runs."""
    desk.api.kernel.close()
    secrets = {"operator_key": Secret(key), "former_operator_key": Secret(former)}
    api = desk.rig.start(DEFINITION, replace(desk.api.kernel.config, **secrets))
    desk.rig.kernels[Stream.AUTH] = api.kernel
    return Desk(desk.rig, api)


def change(desk: Desk, key: str, former: str) -> Desk:
    """Put a key in force, and start once more with it alone."""
    return start_with(start_with(desk, key, former), key)


def dump(desk: Desk, *names: str) -> list[tuple[object, ...]]:
    with desk.api.kernel.store.read() as uow:
        tables = (metadata.tables[name] for name in names)
        return [tuple(row) for table in tables for row in uow.connection.execute(select(table))]


def log_in(desk: Desk, person: Person, recovery_code: str = "") -> str:
    desk.rig.clock.advance(30)
    factor = {"kind": "recovery_code", "code": recovery_code} if recovery_code else None
    return code_of(desk.log_in(person, code=factor))


@pytest.fixture
def codes(desk: Desk, ana: Person) -> Iterator[str]:
    """Ana's recovery codes, one after the other."""
    ring = KeyRing(desk, ana)
    ring.open_session()
    return iter(read(ring.ask(ring.api.post_recovery_codes, {}))["codes"])


@pytest.fixture
def cem(desk: Desk) -> Person:
    """Somebody who has closed the account: the name is never given again."""
    cem = Person("cem")
    assert desk.register(cem).status == 201
    assert Seat(desk, cem).close().status == 200
    return cem


def test_factors_and_closed_names_stay_through_every_moment_of_two_changes(desk, ana, codes, cem):
    former = OPERATOR_KEY
    for key, left in ((SECOND, 9), (THIRD, 7)):
        desk = change(desk, key, former)
        assert log_in(desk, ana) == log_in(desk, ana, next(codes)) == "201 None"
        assert code_of(desk.register(Person("eve").with_(username=cem.username))) == "409 username_taken"
        expected = {"authenticators": 1, "recovery codes": left, "closed names": 1}
        assert desk.api.key_desk.count_behind() == desk.api.key_desk.move() == expected
        assert desk.api.key_desk.count_behind() == desk.api.key_desk.move() == NOTHING_BEHIND
        spent = next(codes)
        assert log_in(desk, ana) == log_in(desk, ana, spent) == "201 None"
        assert code_of(desk.register(Person("eve").with_(username=cem.username))) == "409 username_taken"
        assert log_in(desk, ana, spent) == "401 login_refused"  # controls
        assert log_in(desk, ana.with_(totp_secret="A" * 32)) == "401 login_refused"
        former = key


def test_what_is_enrolled_under_the_new_key_does_not_derive_from_the_former_one(desk, ana):
    desk = change(desk, SECOND, OPERATOR_KEY)
    ben, ring = Person("ben"), KeyRing(desk, ana)
    assert desk.register(ben).status == 201
    assert log_in(desk, ben) == "201 None"
    ring.open_session()
    assert ring.ask(ring.api.post_recovery_codes, {}).status == 201
    behind = {**NOTHING_BEHIND, "authenticators": 1}
    assert desk.api.key_desk.count_behind() == behind
    ana.totp_secret = read(ring.ask(ring.api.post_totp, {}))["secret"]
    confirmed = ring.ask(ring.api.post_totp_confirmation, {"code": compute_code(ana.totp_secret, desk.now)})
    assert confirmed.status == 201
    assert desk.api.key_desk.count_behind() == NOTHING_BEHIND
    assert log_in(desk, ana) == "201 None"


def test_factors_keep_the_ids_of_their_events(desk, ana, codes):
    ring = KeyRing(desk, ana)
    desk.rig.clock.advance(30)
    ring.open_session()
    before = ring.fetch_factors()
    ring.desk = desk = change(desk, SECOND, OPERATOR_KEY)
    desk.api.key_desk.move()
    assert ring.fetch_factors() == before
    assert log_in(desk, ana) == log_in(desk, ana, next(codes)) == "201 None"  # by the id that a login names


def test_whoever_has_the_former_key_computes_nothing_from_rows_that_were_moved(desk, ana, codes):
    former, account = OperatorKey(bytes.fromhex(OPERATOR_KEY)), ana.actor.account
    code = parse_recovery_code(next(codes)).encode()

    def compute(desk: Desk) -> tuple[bool, bool]:
        with desk.api.kernel.store.read() as uow:
            salt = bytes(uow.connection.execute(text("SELECT totp_salt FROM credentials")).scalar_one())
            kept = uow.connection.execute(text("SELECT digest, salt FROM recovery_codes")).all()
        secret = former.derive(Purpose.TOTP_SECRET, account.raw, salt)[:20]
        digest = former.derive(Purpose.RECOVERY_CODE, account.raw, bytes(kept[0].salt), code).hex()
        return secret == base64.b32decode(ana.totp_secret), digest in {row.digest for row in kept}

    assert compute(desk) == (True, True)  # control
    desk = change(desk, SECOND, OPERATOR_KEY)
    assert compute(desk) == (True, True)  # until it is moved
    desk.api.key_desk.move()
    assert compute(desk) == (False, False)
    rows = "".join(
        value.hex() if isinstance(value, bytes) else str(value)
        for row in dump(desk, *metadata.tables)
        for value in row
    )
    assert ana.login_key.public in rows  # control
    assert [key for key in (OPERATOR_KEY, SECOND) if key in rows] == []


def test_decoys_stay_what_they_were(desk):
    """A salt that changes tells that nobody has the name."""

    def ask(desk: Desk) -> object:
        answer = read(desk.ask(desk.api.sessions.post_challenge, {"username": "nobody@example.org"}))
        return answer["kdf"]

    before = ask(desk)
    assert ask(change(change(desk, SECOND, OPERATOR_KEY), THIRD, SECOND)) == before


def test_an_answer_that_was_lost_before_the_change_is_given_again(desk, ana):
    seat = Seat(desk, ana)
    lost = read(seat.refresh())
    seat.desk = change(desk, SECOND, OPERATOR_KEY)
    again = read(seat.refresh())
    assert again["refresh_token"] == lost["refresh_token"]
    assert seat.desk.refresh(again["refresh_token"], ana.device_key).status == 200


def test_a_start_that_is_killed_while_it_puts_a_key_in_force_changes_nothing(desk, ana, monkeypatch):
    before = dump(desk, "foundations", "operator_keys", "credentials")

    def kill(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(keyring, "replace_foundation", kill)
        with pytest.raises(KilledError):
            start_with(desk, SECOND, OPERATOR_KEY)
    desk = start_with(desk, OPERATOR_KEY)
    assert dump(desk, "foundations", "operator_keys", "credentials") == before
    assert log_in(change(desk, SECOND, OPERATOR_KEY), ana) == "201 None"


def test_a_move_that_is_killed_anywhere_is_gone_on_with(desk, ana, codes, cem, monkeypatch):
    """Killed at its first write, at its second one, and so on, in batches of one: all is usable each time."""
    assert desk.register(Person("ben")).status == 201
    desk = change(desk, SECOND, OPERATOR_KEY)
    monkeypatch.setattr(moving, "BATCH", 1)
    lefts = [sum(desk.api.key_desk.count_behind().values())]
    while lefts[-1]:
        with monkeypatch.context() as patched:
            kill_at_write(len(lefts), patched)
            with suppress(KilledError):
                desk.api.key_desk.move()
        desk = start_with(desk, SECOND)
        assert log_in(desk, ana) == "201 None"
        assert code_of(desk.register(Person("eve").with_(username=cem.username))) == "409 username_taken"
        lefts.append(sum(desk.api.key_desk.count_behind().values()))
    assert lefts == sorted(lefts, reverse=True)
    assert len(lefts) > len(set(lefts)) > 3  # killed before anything was moved, and at several places later
    assert log_in(desk, ana, next(codes)) == "201 None"


def kill_at_write(number: int, patched: pytest.MonkeyPatch) -> None:
    """Kill a move after so many of its writes, before the last of them is committed."""
    left = count_down(number, -1)

    def killing(write: Callable[..., bool]) -> Callable[..., bool]:
        def run(*arguments: object) -> bool:
            written = write(*arguments)
            if next(left) == 1:
                raise KilledError
            return written

        return run

    for owner, name in (
        (CredentialRepository, "move_totp"),
        (OperatorKeyRepository, "move_code"),
        (OperatorKeyRepository, "move_name"),
    ):
        patched.setattr(owner, name, killing(getattr(owner, name)))


def test_a_key_that_was_in_force_before_does_not_come_back(desk):
    desk = change(desk, SECOND, OPERATOR_KEY)
    with pytest.raises(ConfigError, match="was in force before"):
        start_with(desk, OPERATOR_KEY, SECOND)
    start_with(desk, SECOND)


@pytest.mark.parametrize("former", ["", THIRD])
def test_only_the_former_key_lets_another_one_in(desk, ana, former):
    before = dump(desk, "foundations", "operator_keys")
    with pytest.raises(ConfigError, match="operator_key: not the one"):
        start_with(desk, SECOND, former)
    assert dump(start_with(desk, OPERATOR_KEY), "foundations", "operator_keys") == before


def test_the_former_key_alone_is_refused_after_a_change(desk, ana):
    desk = change(desk, SECOND, OPERATOR_KEY)
    with pytest.raises(ConfigError, match="operator_key: not the one"):
        start_with(desk, OPERATOR_KEY)


def test_a_damaged_row_of_a_former_key_is_noticed(desk):
    desk = change(desk, SECOND, OPERATOR_KEY)
    with desk.api.kernel.store.begin() as uow:
        uow.connection.execute(text("UPDATE operator_keys SET salt = masked"))
    with pytest.raises(ConfigError, match="operator_keys: a row of auth's database is damaged"):
        start_with(desk, SECOND)


def test_an_authenticator_that_waited_is_begun_again(desk, ana):
    ring = KeyRing(desk, ana)
    ring.open_session()
    secret = read(ring.ask(ring.api.post_totp, {}))["secret"]
    ring.desk = change(desk, SECOND, OPERATOR_KEY)
    code = compute_code(secret, desk.now)
    assert code_of(ring.ask(ring.api.post_totp_confirmation, {"code": code})) == "404 not_found"


def test_the_commands_say_what_is_left_and_move_it(desk, ana, capsys):
    desk = change(desk, SECOND, OPERATOR_KEY)
    commands: dict[str, OperatorCommand] = {each.name: each for each in DEFINITION.commands}
    commands["operator-key"].run(desk.api, None)
    assert capsys.readouterr().out.splitlines()[:2] == [
        "the operator key in force has replaced 1",
        "1 authenticators derive from a former one",
    ]
    commands["move-secrets"].run(desk.api, None)
    moved = "moved to the operator key in force: 1 authenticators, 0 recovery codes, 0 closed names\n"
    assert capsys.readouterr().out == moved
