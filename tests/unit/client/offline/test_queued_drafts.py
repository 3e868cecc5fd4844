"""What a queued edit follows: a re-encryption is passed over, an edit or what nobody can know is not."""

from types import SimpleNamespace

import pytest

from solekey.offline.queued_drafts import QueuedDrafts, find_editors
from solekey_protocol.change_list import Change, Part, encode_change_list
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import DeviceId, ItemId, compute_digest

EDITED, RE_ENCRYPTED, OTHER = (ItemId.from_raw(bytes([number]) * 16) for number in range(3))


OWN, ANOTHER = (DeviceId.from_raw(bytes([number]) * 16) for number in (1, 2))


def sign(device):
    return device and SimpleNamespace(statement=SimpleNamespace(device=device))


def change(item, version):
    return Change(item, version, 1, (Part(compute_digest(b"part"), 100),), compute_digest(b"header"))


LISTS = {
    1: (CommitKind.DELTA, [change(EDITED, 1), change(RE_ENCRYPTED, 1), change(OTHER, 1)]),
    2: (CommitKind.REKEY, [change(EDITED, 2), change(RE_ENCRYPTED, 2)]),
    3: (CommitKind.DELTA, [change(EDITED, 3)]),
}


def unlock(answer=lambda data: data, editor=ANOTHER):
    """An account with three commits, whose vault answers their change lists so."""
    encoded = {number: encode_change_list(changes) for number, (_, changes) in LISTS.items()}
    objects = {compute_digest(data): answer(data) for data in encoded.values()}
    bodies = [
        ItemsCommitted(number, kind, 1, compute_digest(encoded[number]), len(changes), 100)
        for number, (kind, changes) in LISTS.items()
    ]
    events = [SimpleNamespace(body=body, signed=sign(editor)) for body in bodies]
    live = {change.item: change for _, changes in LISTS.values() for change in changes}
    return SimpleNamespace(
        streams=SimpleNamespace(events=lambda _: events),
        objects=SimpleNamespace(fetch_each=lambda digests: [objects[digest] for digest in digests]),
        index=SimpleNamespace(items=live, commit=3),
    )


FORGED = encode_change_list([change(OTHER, 2)])
ANSWERS = {
    "another list": lambda _: FORGED,
    "none": lambda _: None,
    "bytes that are none": lambda _: b"\x00",
}


def find_base(unlocked, item, base_version, *, is_older=False):
    queue = SimpleNamespace(device=OWN, is_older=lambda _: is_older)
    entry = SimpleNamespace(item=item, base_version=base_version, commit=1, device=OWN)
    return QueuedDrafts(unlocked, queue, None)._find_base(entry)


def test_what_was_edited_is_told_from_what_was_re_encrypted():
    assert find_editors(unlock(), 1) == {EDITED: {ANOTHER}}
    assert find_editors(unlock(), 3) == {}
    assert find_base(unlock(), RE_ENCRYPTED, 1) == 2
    assert find_base(unlock(), EDITED, 1) == 1  # a conflict: it was read before another's edit
    assert find_base(unlock(), OTHER, 1) == 1


def test_an_edit_of_this_device_before_the_change_was_queued_is_no_others():
    assert find_base(unlock(editor=OWN), EDITED, 1) == 3
    assert find_base(unlock(editor=OWN), EDITED, 1, is_older=True) == 1
    assert find_base(unlock(editor=None), EDITED, 1) == 1


@pytest.mark.parametrize("answer", ANSWERS)
def test_where_a_change_list_cannot_be_believed_nothing_is_passed_over(answer):
    unlocked = unlock(ANSWERS[answer])
    assert find_editors(unlocked, 1) is None
    assert find_base(unlocked, RE_ENCRYPTED, 1) == 1
