"""A log for the notebooks: a quick honest run on an embedded platform, as a bundle, and its user's pins.

``python -m demo.sample_log FOLDER`` writes ``log.tar`` and ``pins.json`` into the folder, and keeps them
where they are there already.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from solekey import UserKey
from solekey import open as open_account
from solekey.audit import open_log
from solekey.audit.bundle.export import export_to_bundle
from solekey.testing import Platform, User
from solekey_protocol.encoding import encode_json

LOG, PINS = "log.tar", "pins.json"
_USERNAME = "ada@example.org"


def make_sample(folder: Path) -> None:
    """Make the sample, unless it is there."""
    if (folder / PINS).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="solekey-sample-") as scratch:
        with Platform(Path(scratch) / "platform") as platform:
            pins = _live(platform, Path(scratch))
        export_to_bundle(open_log(f"embedded://{scratch}/platform/data/bus.db"), folder / LOG)
    (folder / PINS).write_bytes(pins)  # last: with it the sample is whole


def _live(platform: Platform, folder: Path) -> bytes:
    """Two devices, items, both rotations, a lost phone; return what the user vouches for in the end."""
    user = platform.sign_up(folder / "laptop", username=_USERNAME)
    with (
        user.make_key() as key,
        open_account(folder / "laptop", key=key, on_step_up=user.make_code) as laptop,
    ):
        laptop.items.put("notes", "as of today")
        _write_on_a_phone(user, key, folder / "phone")
        laptop.sync()
        laptop.items.put("notes", "as of tomorrow")
        phone = next(each for each in laptop.devices.list() if each.id != laptop.devices.own_id)
        with UserKey.make() as new_key:
            laptop.devices.revoke(phone.id, new_key=new_key)
        laptop.items.put("more", "after the phone was lost")
        laptop.sync()
        return encode_json(laptop.sign_heads())


def _write_on_a_phone(user: User, key: UserKey, profile: Path) -> None:
    with user.log_in(profile, device_name="phone") as phone, phone.keys.unlock(key) as items:
        phone.devices.trust()
        items.put("from the phone", "hello")


def main(arguments: Sequence[str]) -> int:
    """Make the sample in the folder that the first argument names."""
    make_sample(Path(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
