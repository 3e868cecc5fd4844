"""Two transactions of one account at the same moment: no key age is lost, none fails."""

import threading

from solekey_devices.definition import DEFINITION as DEVICES
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import KeyWrapped, WrapSuite
from solekey_protocol.ids import compute_digest
from solekey_protocol.wrap import SecretKind
from solekey_rotation.definition import DEFINITION
from solekey_rotation.tables import key_ages
from solekey_vault.definition import DEFINITION as VAULT
from tests.support.actors import Actor
from tests.support.keys import derive_commit_key

LAPTOP = Actor("ana", "laptop")


def test_a_wrap_arrives_while_the_account_is_looked_at(rig, tmp_path):
    """The projector notes an epoch while another transaction holds the row it began from."""
    rig.build(DEVICES)
    rig.build(VAULT, object_store_url=f"file://{tmp_path}/objects")
    api = rig.build(DEFINITION)
    kernel, schedule = api.kernel, api.schedule
    founded = rig.append(LAPTOP.sign(LAPTOP.founded()))
    suite = WrapSuite.HKDF_SHA256_AES256GCM
    key_id, commit_key = LAPTOP.user_key.key_id, derive_commit_key(1).public
    body = KeyWrapped(SecretKind.DATA_KEY, 1, 1, key_id, suite, compute_digest(b"w"), commit_key, None)
    wrapped = rig.append(LAPTOP.sign(body, heads=rig.heads(LAPTOP.account, Stream.DEVICES)))
    failures = []

    def note_wrap():
        try:
            with kernel.store.begin(projecting=True) as uow:
                schedule.note_wrap(uow, wrapped)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            failures.append(error)

    other = threading.Thread(target=note_wrap)
    with kernel.store.begin(projecting=True) as uow:
        schedule.note_user_key(uow, founded)
        other.start()
        other.join(0.5)  # without a lock it would get past its read here; with one it waits for us
    other.join()
    assert failures == []
    with kernel.store.read() as uow:
        [ages] = uow.connection.execute(key_ages.select()).all()
    assert (ages.user_key_since, ages.epoch) == (founded.time.datetime, 1)
    assert ages.data_key_since == wrapped.time.datetime
