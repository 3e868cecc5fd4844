"""A vault with an account of two devices, and one whose data key is wrapped."""

import pytest

from tests.unit.vault.vault_rig import LAPTOP, PHONE, Vault


@pytest.fixture
def empty(rig, tmp_path):
    vault = Vault(rig, tmp_path / "objects")
    rig.log_in(LAPTOP)
    vault.change_devices(
        (LAPTOP, LAPTOP.founded(), {}), (PHONE, PHONE.enrolled(), {}), (PHONE, PHONE.trusted(), {})
    )
    return vault


@pytest.fixture
def vault(empty):
    assert empty.add_wrap().status == 201
    return empty
