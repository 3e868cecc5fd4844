"""Snapshots that a client commits by itself: when they pay, never during a rotation, one of two at once."""

import httpx
import pytest

from solekey.vault import snapshot_policy
from solekey_protocol.events import Stream
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.rotation import RotationReason, RotationStarted
from solekey_protocol.events.vault import CommitKind
from solekey_protocol.ids import RotationId
from solekey_protocol.streams import VaultStream
from tests.support.client.fake_parts import problem
from tests.support.client.world import World
from tests.support.protocol.history import committed, rekey, tell, verified, wrapped

EVERY = 4


@pytest.fixture(autouse=True)
def _few_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_policy, "MIN_COMMITS", EVERY)


def kinds(home: World) -> str:
    """A letter for each commit: delta, snapshot."""
    bodies = [event.body for event in home.account.events[Stream.VAULT]]
    return "".join(body.kind.value[0] for body in bodies if hasattr(body, "kind"))


def grow(*commits: str) -> VaultStream:
    numbered = [committed(number, kind=kind) for number, kind in enumerate(commits, 1)]
    return tell(wrapped(), *numbered).account.vault


def test_it_pays_once_the_lists_outweigh_it() -> None:
    many = grow(*["delta"] * EVERY)
    assert many.changes_since_snapshot == EVERY
    bound = (
        EVERY * (snapshot_policy.LIST_BYTES + snapshot_policy.CHANGE_BYTES) // snapshot_policy.CHANGE_BYTES
    )
    assert snapshot_policy.pays(many, lambda: bound)
    assert not snapshot_policy.pays(many, lambda: bound + 1)
    few = grow(*["delta"] * (EVERY - 1))
    assert not snapshot_policy.pays(few, lambda: 0)
    commits = [committed(number) for number in range(1, EVERY + 1)]
    commits.append(committed(EVERY + 1, kind="snapshot"))
    begun = [rekey("r"), wrapped(1, epoch=2, rotation="r"), verified("r", (2, 1))]
    after = tell(wrapped(), *commits, *begun, committed(EVERY + 2, 2, "rekey")).account.vault
    assert after.changes_since_snapshot == 1
    assert not snapshot_policy.pays(after, lambda: 0)


def test_it_is_committed_after_a_commit_of_ones_own(home: World) -> None:
    vault = home.unlock("laptop")
    for number in range(2 * EVERY + 1):
        vault.put(f"item {number}", "x")
    assert kinds(home) == "dddd" + "s" + "dddd" + "s" + "d"
    fresh = home.add_device("phone")
    with fresh.unlock(home.key()) as reader:
        assert len(list(reader.list())) == 2 * EVERY + 1


def test_none_is_committed_while_a_rotation_is_open(home: World) -> None:
    vault = home.unlock("laptop")
    for number in range(EVERY - 1):
        vault.put(f"item {number}", "x")
    streams = home.reopen("laptop").streams
    rotation = RotationId.from_raw(b"r" * 16)
    key_id, epoch = streams.devices.key_id, streams.vault.epoch
    reason, kind = RotationReason.REQUESTED, RotationKind.DATA_KEY
    assert key_id is not None
    home.say(home.reopen("laptop"), RotationStarted(rotation, kind, reason, key_id, key_id, epoch, epoch + 1))
    vault.put("more", "x")  # this session learns of the rotation only when it looks
    vault.put("most", "x")
    assert kinds(home) == "d" * (EVERY + 1)


def test_of_two_devices_at_once_one_commits_it(home: World) -> None:
    laptop = home.unlock("laptop")
    phone = home.add_device("phone")
    for number in range(EVERY - 1):
        laptop.put(f"item {number}", "x")
    with phone.unlock(home.key()) as other:
        raced: list[str] = []

        def race(request: httpx.Request, response: httpx.Response) -> httpx.Response:
            """The phone commits between the laptop's commit and its snapshot."""
            if request.url.path == "/v1/rotation/events" and not raced:
                raced.append("now")
                other.put("of the phone", "x")
            return response

        home.server.tamper = race
        laptop.put("of the laptop", "x")
        home.server.be_honest()
        assert raced == ["now"]
        assert kinds(home) == "d" * EVERY + "ds"
        other.put("again", "x")
        laptop.put("and again", "x")
    assert kinds(home) == "d" * EVERY + "dsdd"


@pytest.mark.parametrize("code", ["unavailable", "storage_full", "commit_mismatch"])
def test_what_was_committed_stays_when_no_snapshot_can_be(home: World, code: str) -> None:
    vault = home.unlock("laptop")
    for number in range(EVERY - 1):
        vault.put(f"item {number}", "x")

    begun: list[str] = []

    def refuse(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        """Refuse what the snapshot is made of: the client looks at the rotation stream before it."""
        begun.extend(["now"] * (request.url.path == "/v1/rotation/events"))
        return problem(422 if code == "commit_mismatch" else 507, code) if begun else response

    home.server.tamper = refuse
    vault.put("kept", "x")
    assert begun
    home.server.be_honest()
    assert kinds(home) == "d" * EVERY
    assert vault.get("kept").content == b"x"
    vault.put("later", "x")
    assert kinds(home) == "d" * EVERY + "ds"


def test_the_kinds_are_told_apart() -> None:
    assert len({kind.value[0] for kind in CommitKind}) == len(CommitKind)
