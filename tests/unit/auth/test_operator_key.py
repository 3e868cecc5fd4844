"""A wrong operator key is noticed at start: with it, nobody's authenticator would fit any more."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from solekey_auth.definition import DEFINITION
from solekey_auth.tables import metadata
from solekey_eventlog.errors import ConfigError
from solekey_eventlog.secret import Secret


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


def test_the_check_value_is_not_the_key(desk):
    config = desk.api.kernel.config
    assert config.derive_key_check() != config.operator_key.reveal()
    assert config.derive_key_check() == desk.restart().api.kernel.config.derive_key_check()
