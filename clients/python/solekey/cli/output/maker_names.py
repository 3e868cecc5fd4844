"""What the devices that edited items are called, as far as this device has verified their names."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from solekey.cli.output.foreign_text import quote_foreign

if TYPE_CHECKING:
    from solekey.vault.vault import Vault
    from solekey_protocol.ids import DeviceId


def read_maker_names(vault: "Vault") -> "Mapping[DeviceId, str]":
    """Read the verified names of the account's devices, made safe to show."""
    from solekey.account.known_names import read_names

    profile = vault.unlocked.connection.profile
    known = read_names(profile.folder, vault.unlocked.streams.devices)
    names = {device: quote_foreign(name.text) for device, name in known.items()}
    return {**names, profile.device_key.device_id: quote_foreign(profile.details.device_name)}
