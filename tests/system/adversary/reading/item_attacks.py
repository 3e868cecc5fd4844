"""Attacks on change lists and ciphertext: swapped, cut, forged, of another place, of another time."""

import json
from collections.abc import Callable
from dataclasses import replace

import httpx

from solekey_protocol.change_list import encode_change_list
from solekey_protocol.encoding import encode_cbor, parse_cbor
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import ItemId
from solekey_protocol.limits import MAX_BATCH_BYTES
from tests.support.client.fake_parts import cbor
from tests.system.adversary.reading.scene import NOTE, Scene, attack


def find_lists(scene: Scene) -> list[str]:
    return [str(event.body.changes) for event in scene.events if isinstance(event.body, ItemsCommitted)]


def alter(scene: Scene, digest: str, how: Callable[[bytes], bytes]) -> None:
    before = scene.account.objects[digest]
    scene.account.objects[digest] = how(before)
    assert scene.account.objects[digest] != before


@attack("a change list of another commit")
def swap_change_list(scene: Scene) -> None:
    lists = find_lists(scene)
    alter(scene, lists[-1], lambda _: scene.account.objects[lists[0]])


@attack("a change list deleted")
def delete_change_list(scene: Scene) -> None:
    del scene.account.objects[find_lists(scene)[-1]]


@attack("a change list empty")
def empty_change_list(scene: Scene) -> None:
    alter(scene, find_lists(scene)[-1], lambda _: b"")


@attack("a change list cut")
def cut_change_list(scene: Scene) -> None:
    alter(scene, find_lists(scene)[-1], lambda data: data[:-1])


@attack("a change list with one item more")
def inject_into_change_list(scene: Scene) -> None:
    injected = scene.seal(b"injected", "injected", ItemId.from_raw(bytes(16)), 1)
    alter(scene, find_lists(scene)[-1], lambda _: encode_change_list([injected]))


@attack("a signed change list of another format")
def downgrade_change_list(scene: Scene) -> None:
    change = scene.find_change("note")
    encoded = encode_cbor([1, [[change.item.raw, 3, 1, change.size, []]]])
    scene.commit(replace(change, version=3), encoded=encoded)


@attack("a version that starts again")
def rewind_version(scene: Scene) -> None:
    old = replace(scene.find_change("note"), version=1)
    scene.commit(old)


@attack("a version left out")
def skip_version(scene: Scene) -> None:
    item = scene.find_change("note").item
    scene.commit(scene.seal(b"much later", "note", item, 4))


@attack("a snapshot without one of the items")
def forget_in_snapshot(scene: Scene) -> None:
    index = scene.open_vault("laptop").unlocked.index
    note = scene.find_change("note").item
    scene.commit(
        *(change for change in index.newest.values() if change.item != note), kind=CommitKind.SNAPSHOT
    )


@attack("two items in each other's place")
def swap_items(scene: Scene) -> None:
    (note,), (other,) = scene.digests("note"), scene.digests("other")
    objects = scene.account.objects
    objects[note], objects[other] = objects[other], objects[note]


@attack("an older version of the item")
def show_older_version(scene: Scene) -> None:
    (note,) = scene.digests("note")
    (older,) = [
        digest
        for digest in scene.history.older.objects
        if len(scene.history.older.objects[digest]) == len(scene.account.objects[note])
    ]
    alter(scene, note, lambda _: scene.history.older.objects[older])


@attack("an envelope that was never committed")
def show_draft(scene: Scene) -> None:
    (note,) = scene.digests("note")
    alter(scene, note, lambda _: scene.history.draft)


@attack("plaintext in the place of ciphertext")
def show_plaintext(scene: Scene) -> None:
    (note,) = scene.digests("note")
    alter(scene, note, lambda data: NOTE.ljust(len(data), b"\0"))


@attack("an object deleted")
def delete_object(scene: Scene) -> None:
    del scene.account.objects[scene.digests("note")[0]]


@attack("an object empty")
def empty_object(scene: Scene) -> None:
    alter(scene, scene.digests("note")[0], lambda _: b"")


@attack("an object cut")
def cut_object(scene: Scene) -> None:
    alter(scene, scene.digests("note")[0], lambda data: data[:-1])


@attack("bytes after the end of an object")
def lengthen_object(scene: Scene) -> None:
    alter(scene, scene.digests("note")[0], lambda data: data + b"more")


@attack("a header of another suite")
def downgrade_suite(scene: Scene) -> None:
    alter(scene, scene.digests("note")[0], lambda data: data[:4] + b"\x00" + data[5:])


@attack("a header of another format")
def downgrade_format(scene: Scene) -> None:
    alter(scene, scene.digests("note")[0], lambda data: b"SKE0" + data[4:])


@attack("a committed header of another suite")
def commit_another_suite(scene: Scene) -> None:
    """A trusted device of a newer release, or a thief who was unlocked, has committed it."""
    item = scene.find_change("note").item
    scene.commit(scene.seal(b"weak", "note", item, 3, lambda data: data[:4] + b"\x00" + data[5:]))


@attack("a committed header of another format")
def commit_another_format(scene: Scene) -> None:
    item = scene.find_change("note").item
    scene.commit(scene.seal(b"weak", "note", item, 3, lambda data: b"SKE0" + data[4:]))


@attack("committed plaintext")
def commit_plaintext(scene: Scene) -> None:
    item = scene.find_change("note").item
    scene.commit(scene.seal(NOTE, "note", item, 3, lambda data: NOTE.ljust(len(data), b"\0")))


@attack("a committed envelope of another item")
def commit_another_item(scene: Scene) -> None:
    note, other = scene.find_change("note"), scene.find_change("other")
    scene.commit(replace(other, item=note.item, version=3))


@attack("two parts in each other's place")
def swap_parts(scene: Scene) -> None:
    first, second, *_ = scene.digests("film")
    objects = scene.account.objects
    objects[first], objects[second] = objects[second], objects[first]


@attack("two chunks in each other's place")
def swap_chunks(scene: Scene) -> None:
    chunk, start = 65536 + 16, 74 + 4 * (65536 + 16)
    _, second, *_ = scene.digests("film")
    inside = start + 5 * chunk - 512 * 1024

    def swap(data: bytes) -> bytes:
        first, last = data[inside : inside + chunk], data[inside + chunk : inside + 2 * chunk]
        return data[:inside] + last + first + data[inside + 2 * chunk :]

    alter(scene, second, swap)


@attack("a part deleted")
def delete_part(scene: Scene) -> None:
    del scene.account.objects[scene.digests("film")[1]]


@attack("the last part of another length")
def cut_last_part(scene: Scene) -> None:
    alter(scene, scene.digests("film")[-1], lambda data: data[:-16])


def answer_range(scene: Scene, change: Callable[[bytes, int, int], bytes], status: int = 206) -> None:
    """Answer each range by what is made of the whole object, and of what was asked for."""

    def spoil(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        asked = request.headers.get("Range")
        if asked is None or "/objects/" not in request.url.path:
            return response
        first, _, last = asked.removeprefix("bytes=").partition("-")
        data = scene.account.objects[request.url.path.rpartition("/")[2]]
        return httpx.Response(status, content=change(data, int(first), int(last) + 1))

    scene.server.tamper = spoil


@attack("a range answered with another range")
def shift_range(scene: Scene) -> None:
    answer_range(scene, lambda data, start, stop: data[max(start - 1000, 0) :][: stop - start])


@attack("a range answered with the beginning")
def restart_range(scene: Scene) -> None:
    answer_range(scene, lambda data, start, stop: data[: stop - start])


@attack("a range answered with nothing")
def empty_range(scene: Scene) -> None:
    answer_range(scene, lambda *_: b"")


@attack("a range answered with less")
def shorten_range(scene: Scene) -> None:
    answer_range(scene, lambda data, start, stop: data[start : stop - 1])


@attack("a range answered with more")
def lengthen_range(scene: Scene) -> None:
    answer_range(scene, lambda data, start, stop: data[start:stop] + b"more")


@attack("a range answered with plaintext")
def plain_range(scene: Scene) -> None:
    answer_range(scene, lambda _, start, stop: bytes(stop - start))


def answer_fetch(scene: Scene, change: Callable[[list[bytes | None]], list[object]]) -> None:
    def spoil(_: httpx.Request, response: httpx.Response) -> httpx.Response:
        found = parse_cbor(response.content, max_bytes=MAX_BATCH_BYTES)["objects"]
        return cbor({"objects": change(found)})

    scene.tamper("/objects/fetch", spoil)


@attack("fewer objects than none")
def fetch_nothing(scene: Scene) -> None:
    answer_fetch(scene, lambda _: [])


@attack("more objects than were asked for")
def fetch_more(scene: Scene) -> None:
    answer_fetch(scene, lambda found: [*found, b"injected"])


@attack("objects that are no bytes")
def fetch_text(scene: Scene) -> None:
    answer_fetch(scene, lambda found: ["text" for _ in found])


@attack("objects in another order")
def fetch_reordered(scene: Scene) -> None:
    answer_fetch(scene, lambda found: found[::-1] if len(found) > 1 else [b"another"])


@attack("an answer that is costly to decode")
def fetch_costly(scene: Scene) -> None:
    """A decimal fraction over a long integer (tag 4), which decoders compute before anybody can refuse."""
    costly = b"\xa1\x67objects\x81\xc4\x82\x19\xff\xff\xc2\x5a\x00\x04\x00\x00" + bytes([255]) * 262_144
    scene.tamper("/objects/fetch", lambda *_: httpx.Response(200, content=costly))


@attack("an answer of JSON in the place of CBOR")
def fetch_json(scene: Scene) -> None:
    scene.tamper(
        "/objects/fetch", lambda *_: httpx.Response(200, content=json.dumps({"objects": []}).encode())
    )
