"""Only what was committed is read: one place, two envelopes, and a server that answers with the other one.

The pair arises without anybody's fault: the commit of a first put fails, and the corrected content is sealed
for the same place. Both are authentic for that place; only one was ever committed.
"""

import os
from dataclasses import replace

import httpx
import pytest

from solekey.crypto import ItemContext, ItemMetadata, seal_bytes
from solekey.errors import ForgedEventError, SwappedObjectError, UnreachableError
from solekey.rotation.rotation import rekey_data
from solekey.transfer import sealed_sources
from solekey_protocol.change_list import Change, Part
from solekey_protocol.encoding import parse_cbor
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import ItemId, compute_digest
from solekey_protocol.limits import MAX_BATCH_BYTES
from solekey_protocol.page_list import join_pages, parse_page_list
from tests.support.client.fake_parts import cbor
from tests.support.client.world import forget_streams
from tests.support.content import list_objects_of

DRAFT = b"DE00 1111 old draft, do not use"
RIGHT = b"DE99 2222 the correct one......"


def make_pair(world, size=0):
    """Commit an item, and seal a draft for the very same place under the same key."""
    vault = world.unlock("laptop")
    stored = vault.put("iban", RIGHT + bytes(size))
    change = vault.unlocked.index.items[stored.id]
    draft = seal_bytes(
        DRAFT + bytes(size),
        metadata=ItemMetadata("iban", "text/draft", 0, 0),
        data_key=vault.unlocked.keyring.data_key(1),
        context=ItemContext(vault.unlocked.account, stored.id, stored.version),
        random=os.urandom,
    )
    assert len(draft) == change.size
    return stored.id, change, draft


def answer_pieces_with(world, change, draft):
    """Answer ranges and prefixes with the draft, whole objects with what was committed."""
    starts = dict(zip([p.digest for p in change.parts], sealed_sources.find_starts(change), strict=False))

    def tamper(request, answer):
        path = request.url.path
        if path.rpartition("/")[2] in starts and "Range" in request.headers:
            first, _, last = request.headers["Range"].removeprefix("bytes=").partition("-")
            start = starts[path.rpartition("/")[2]]
            answer._content = draft[start + int(first) : start + int(last) + 1]
        elif path.endswith("objects/fetch") and b"max_bytes_each" in request.content:
            import json

            asked = json.loads(request.content)
            found = parse_cbor(answer.content, max_bytes=MAX_BATCH_BYTES)["objects"]
            pieces = [
                draft[starts[digest] :][: asked["max_bytes_each"]] if digest in starts else data
                for digest, data in zip(asked["digests"], found, strict=False)
            ]
            return cbor({"objects": pieces})
        return answer

    world.server.tamper = tamper


SIZES = [0, 200_000, 9_000_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("how", ["range", "open"])
def test_a_range_of_another_envelope_is_refused(home, how, size):
    item, change, draft = make_pair(home, size)
    answer_pieces_with(home, change, draft)
    with (
        home.reopen_without_index("laptop").unlock(home.key()) as vault,
        pytest.raises(SwappedObjectError),
    ):
        vault.get_range(item, 0, 10) if how == "range" else vault.open(item)


@pytest.mark.parametrize("size", SIZES)
def test_a_listing_shows_nothing_of_another_envelope(home, size):
    item, change, draft = make_pair(home, size)
    answer_pieces_with(home, change, draft)
    with home.reopen_without_index("laptop").unlock(home.key()) as vault:
        listing = vault.list()
        assert listing == []
        assert [(found.id, found.error.code) for found in listing.unreadable] == [(item, "object_swapped")]
        with pytest.raises(SwappedObjectError):
            vault.find(item)


@pytest.mark.parametrize("size", SIZES)
def test_positive_control_without_the_header_the_draft_is_believed(home, monkeypatch, size):
    """What the checks are for: with them off, the very same answers are taken."""
    item, change, draft = make_pair(home, size)
    monkeypatch.setattr(sealed_sources, "verify_header", lambda *_: None)
    monkeypatch.setattr(sealed_sources, "verify_object", lambda _digest, data: data)
    answer_pieces_with(home, change, draft)
    with home.reopen_without_index("laptop").unlock(home.key()) as vault:
        assert vault.list()[0].type == "text/draft"
        if size:
            assert vault.get_range(item, 0, len(DRAFT)) == DRAFT


def test_a_header_that_changes_between_two_answers_is_refused(home):
    """The check and the reader see the same 74 bytes."""
    _, change, draft = make_pair(home)
    vault = home.unlock("laptop")
    answers = [vault.unlocked.objects.fetch(change.parts[0].digest), draft, draft]

    class Fickle:
        size = change.size

        def read_at(self, offset: int, length: int) -> bytes:
            return answers.pop(0)[offset : offset + length]

    with pytest.raises(SwappedObjectError):
        sealed_sources.open_envelope(
            Fickle(), change, vault.unlocked.account, vault.unlocked.keyring.data_key(1)
        )


def commit_raw(world, name, kind, *changes, **said):
    """Commit whatever an unlocked device can sign, with a server that does not look."""
    session = world.reopen(name)
    session.sync()
    encoded, *pages = list_objects_of(kind, *changes)
    for listed in (encoded, *pages):
        world.account.objects[compute_digest(listed)] = listed
    state = session.streams.vault
    body = ItemsCommitted(
        state.last_commit + 1,
        kind,
        state.epoch,
        compute_digest(encoded),
        len(changes),
        sum(change.size for change in changes),
    )
    with session.unlock(world.key()) as vault:
        vault.unlocked.say(lambda: replace(body, **said))


def begin_rekey(world, name):
    """Begin a re-key, and lose the network before an item is re-encrypted."""

    def lose(request):
        if request.url.path == "/v1/vault/statements" and b'"rekey"' in request.content:
            raise httpx.ConnectError("gone")

    world.server.before = lose
    with pytest.raises(UnreachableError):
        rekey_data(world.unlock(name))
    world.server.be_honest()


def change_of(vault, name):
    return vault.unlocked.index.items[vault.find(name).id]


@pytest.fixture
def rewound(home):
    """An item that had two versions and was removed; the first version's change is kept by the thief."""
    home.add_device("phone")
    vault = home.unlock("laptop")
    vault.put("limit", b"10 EUR (OLD)")
    old = change_of(vault, "limit")
    vault.put("limit", b"5000 EUR")
    home.unlock("phone").list()
    vault.remove("limit")
    return home, old


def test_a_removed_item_does_not_start_again(rewound):
    home, old = rewound
    commit_raw(home, "laptop", CommitKind.DELTA, old)
    with (
        pytest.raises(ForgedEventError, match="version 1 does not follow 3"),
        home.reopen("phone").unlock(home.key()),
    ):
        pass


def test_neither_after_a_snapshot_nor_on_a_new_device(rewound):
    home, old = rewound
    home.unlock("laptop").unlocked.committer.commit_snapshot()
    commit_raw(home, "laptop", CommitKind.DELTA, old)
    for device in ("phone", "laptop"):
        with pytest.raises(ForgedEventError, match="version 1 does not follow 3"):
            home.reopen(device).unlock(home.key()).__enter__()
    unlocking = home.reopen_without_index("phone").unlock(home.key())
    with pytest.raises(ForgedEventError, match="version 1 does not follow 3"), unlocking as vault:
        vault.refresh()


def test_a_snapshot_may_not_forget_a_removed_item(rewound):
    home, _ = rewound
    commit_raw(home, "laptop", CommitKind.SNAPSHOT)
    with pytest.raises(ForgedEventError, match="the snapshot differs"):
        home.reopen("phone").unlock(home.key()).__enter__()


def test_an_id_that_was_removed_may_come_back_with_a_later_version(rewound):
    home, old = rewound
    vault = home.unlock("laptop")
    envelope = seal_bytes(
        b"again",
        metadata=ItemMetadata("limit", "text/plain", 0, 0),
        data_key=vault.unlocked.keyring.data_key(1),
        context=ItemContext(vault.unlocked.account, old.item, 4),
        random=os.urandom,
    )
    part = Part(compute_digest(envelope), len(envelope))
    home.account.objects[part.digest] = envelope
    commit_raw(
        home, "laptop", CommitKind.DELTA, Change(old.item, 4, 1, (part,), compute_digest(envelope[:74]))
    )
    with home.reopen("phone").unlock(home.key()) as phone:
        assert phone.get("limit").content == b"again"


UNTRUE = {
    "count": {"count": 2},
    "bytes": {"bytes": 7},
}


@pytest.mark.parametrize("field", UNTRUE)
@pytest.mark.parametrize("kind", [CommitKind.DELTA, CommitKind.SNAPSHOT])
def test_what_a_commit_says_of_its_list_is_checked(home, kind, field):
    home.unlock("laptop").put("a", b"1")
    change = change_of(home.unlock("laptop"), "a")
    stated = change if kind is CommitKind.SNAPSHOT else replace(change, version=2)
    commit_raw(home, "laptop", kind, stated, **UNTRUE[field])
    with pytest.raises(ForgedEventError, match="commit 2 says"):
        home.reopen("laptop").unlock(home.key()).__enter__()


def test_a_rekey_removes_nothing(home):
    home.unlock("laptop").put("a", b"1")
    change = change_of(home.unlock("laptop"), "a")
    begin_rekey(home, "laptop")
    commit_raw(home, "laptop", CommitKind.REKEY, Change(change.item, 2, 0, ()))
    with pytest.raises(ForgedEventError, match="a rekey removes nothing"):
        home.reopen("laptop").unlock(home.key()).__enter__()


def test_a_rekey_adds_nothing_and_keeps_the_size(home):
    home.unlock("laptop").put("a", b"1")
    change = change_of(home.unlock("laptop"), "a")
    vault = home.unlock("laptop")
    other = vault.put("b", bytes(5000))
    longer = vault.unlocked.index.items[other.id]
    unknown = ItemId.from_raw(os.urandom(16))
    begin_rekey(home, "laptop")
    for forged, words in (
        (replace(longer, item=unknown, version=1, epoch=2), "is not there"),
        (replace(longer, item=change.item, version=2, epoch=2), "changes its size"),
    ):
        kept = list(home.account.events[Stream.VAULT]), home.account.states[Stream.VAULT]
        commit_raw(home, "laptop", CommitKind.REKEY, forged)
        with pytest.raises(ForgedEventError, match=words):
            home.reopen("laptop").unlock(home.key()).__enter__()
        home.account.events[Stream.VAULT], home.account.states[Stream.VAULT] = kept
        forget_streams(home.folder / "laptop")
        home.sessions["laptop"] = home.reopen("laptop")


def test_snapshots_state_removals_and_rekeys_keep_them(rewound):
    home, old = rewound
    vault = home.unlock("laptop")
    vault.put("other", b"x")
    rekey_data(vault)
    snapshots = [
        event.body
        for event in home.account.events[Stream.VAULT]
        if isinstance(event.body, ItemsCommitted) and event.body.kind is CommitKind.SNAPSHOT
    ]
    pages = parse_page_list(home.account.objects[snapshots[-1].changes])
    stated = join_pages(pages, [home.account.objects[page.digest] for page in pages])
    assert {(change.item, change.version, change.removed) for change in stated} >= {(old.item, 3, True)}
    with home.add_device("tablet").unlock(home.key()) as tablet:
        assert [info.name for info in tablet.list()] == ["other"]
