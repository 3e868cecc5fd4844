"""A wrong operator key is noticed at start: with it, nobody's authenticator would fit any more."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from solekey_auth.definition import DEFINITION
from solekey_auth.operator_key import OperatorKey, OperatorKeys, Purpose, mask
from solekey_auth.tables import metadata
from solekey_eventlog.errors import ConfigError, UnavailableError
from solekey_eventlog.secret import Secret
from tests.support.people.person import OPERATOR_KEY


def dump(desk):
    with desk.api.kernel.store.read() as uow:
        tables = (metadata.tables[name] for name in ("events", "credentials", "foundations"))
        return [tuple(row) for table in tables for row in uow.connection.execute(select(table))]


def restart_with(desk, **secrets):
    desk.api.kernel.close()
    config = replace(desk.api.kernel.config, **{name: Secret(value) for name, value in secrets.items()})
    api = desk.rig.start(DEFINITION, config)
    api.kernel.close()
    return api


def test_another_operator_key_stops_the_start_and_nothing_is_written(desk, ana):
    before = dump(desk)
    with pytest.raises(ConfigError, match=r"operator_key: not the one .* former key") as refused:
        restart_with(desk, operator_key="a1" * 32)
    assert "a1" * 32 not in str(refused.value)
    assert dump(desk) == before
    restart_with(desk)  # positive control: the former key


def test_the_signing_key_may_change_at_any_restart(desk, ana):
    restart_with(desk, signing_key="a1" * 32)


def test_the_check_value_is_not_the_key_and_tells_its_number():
    key = OperatorKey(bytes.fromhex(OPERATOR_KEY))
    assert key.derive_check(0) == key.derive(Purpose.CHECK).hex() != OPERATOR_KEY
    assert len({key.derive_check(number) for number in range(3)}) == 3


def test_a_key_that_this_process_does_not_have_is_waited_for():
    keys = OperatorKeys(OperatorKey(bytes(32)))
    assert keys.find(0) is keys.present is keys.founding
    with pytest.raises(UnavailableError, match="newer operator key"):
        keys.find(1)
    with pytest.raises(ValueError, match="no operator key"):
        OperatorKeys()


def test_a_mask_takes_as_many_bytes_as_the_secret():
    secret, derived = bytes(range(20)), bytes(range(100, 120))
    assert mask(mask(secret, derived), derived) == secret != mask(secret, derived)
    with pytest.raises(ValueError, match="shorter"):
        mask(secret, derived[:-1])
