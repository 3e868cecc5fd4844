"""Attacks on keys: wraps that are lost, swapped, altered or of another suite; a login that is made weak."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import httpx

from solekey_protocol.encoding import parse_cbor
from solekey_protocol.limits import MIB
from solekey_protocol.wrap import WRAP_BYTES
from tests.support.client.fake_parts import cbor
from tests.support.client.fake_server import FakeServer
from tests.support.client.world import USERNAME, World
from tests.system.adversary.reading.scene import CONTENTS, Scene, attack


def alter_wraps(scene: Scene, how: Callable[[bytes], object]) -> None:
    def spoil(_: httpx.Request, response: httpx.Response) -> httpx.Response:
        wraps = parse_cbor(response.content, max_bytes=MIB)["wraps"]
        return cbor({"wraps": [how(wrap) for wrap in wraps]})

    scene.tamper("/v1/vault/wraps", spoil)


@attack("the wraps deleted")
def delete_wraps(scene: Scene) -> None:
    scene.account.wraps.clear()


@attack("a wrap empty")
def empty_wrap(scene: Scene) -> None:
    alter_wraps(scene, lambda _: b"")


@attack("a wrap cut")
def cut_wrap(scene: Scene) -> None:
    alter_wraps(scene, lambda wrap: wrap[:-1])


@attack("a wrap altered")
def flip_wrap(scene: Scene) -> None:
    alter_wraps(scene, lambda wrap: wrap[:-1] + bytes([wrap[-1] ^ 1]))


@attack("a wrap of another epoch")
def move_wrap(scene: Scene) -> None:
    alter_wraps(scene, lambda wrap: wrap[:6] + b"\x00\x00\x00\x02" + wrap[10:])


@attack("a wrap of another suite")
def downgrade_wrap(scene: Scene) -> None:
    alter_wraps(scene, lambda wrap: wrap[:4] + b"\x00" + wrap[5:])


@attack("a data key in clear in the place of a wrap")
def show_plain_wrap(scene: Scene) -> None:
    alter_wraps(scene, lambda _: bytes(WRAP_BYTES))


@attack("a wrap that is no bytes")
def show_text_wrap(scene: Scene) -> None:
    alter_wraps(scene, lambda wrap: wrap.hex())


@attack("no list of wraps")
def show_no_list(scene: Scene) -> None:
    scene.tamper("/v1/vault/wraps", lambda *_: cbor({"keys": []}))


@attack("weak password parameters")
def weaken_password(scene: Scene) -> None:
    scene.account.kdf = {**scene.account.kdf, "memory_kib": 1024}


@attack("password parameters that exhaust the machine")
def exhaust(scene: Scene) -> None:
    scene.account.kdf = {**scene.account.kdf, "memory_kib": 64 * 1024 * 1024}


@attack("an account of the server's making")
def found_another(scene: Scene) -> None:
    """It has the same user name and password, other devices, and another user key, which the server knows."""
    real = scene.account
    with ExitStack() as stack:
        other = World(FakeServer(), scene.world.folder / "server", stack)
        other.sign_up()
        for name in CONTENTS:
            other.unlock("laptop").put(name, b"made up")
    scene.server.accounts[USERNAME] = replace(other.account, login_key=real.login_key, kdf=real.kdf)
    scene.server.accounts[USERNAME].states = other.account.states
