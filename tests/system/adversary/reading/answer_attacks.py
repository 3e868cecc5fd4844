"""Attacks below the contract, on real sockets: lengths, encodings, redirects, endless and slow answers."""

import gzip
import itertools
import socket

import httpx

from solekey.connection import transport
from solekey_protocol.limits import MIB
from solekey_standalone.certificates import load_or_make_certificates
from tests.system.adversary.reading.front import Write, send, write_honestly
from tests.system.adversary.reading.scene import Scene, attack

EVENTS, OBJECTS = "/v1/vault/events", "/objects/fetch"


def spoil(scene: Scene, path: str, write: Write) -> None:
    front = scene.serve()
    front.path, front.write = path, write


@attack("a content length that is too long")
def claim_more(scene: Scene) -> None:
    def write(connection: socket.socket, response: httpx.Response) -> None:
        body = response.content
        send(connection, 200, body, {"Content-Length": str(len(body) + 1000)})

    spoil(scene, EVENTS, write)


@attack("a content length that is too short")
def claim_less(scene: Scene) -> None:
    def write(connection: socket.socket, response: httpx.Response) -> None:
        body = response.content
        send(connection, 200, body, {"Content-Length": str(len(body) - 10)})

    spoil(scene, OBJECTS, write)


@attack("two content lengths")
def claim_two(scene: Scene) -> None:
    def write(connection: socket.socket, response: httpx.Response) -> None:
        body = response.content
        send(connection, 200, body, {"Content-length": "2"})

    spoil(scene, EVENTS, write)


@attack("a compressed answer")
def compress(scene: Scene) -> None:
    def write(connection: socket.socket, response: httpx.Response) -> None:
        send(connection, 200, gzip.compress(response.content), {"Content-Encoding": "gzip"})

    spoil(scene, EVENTS, write)


@attack("a bomb in a compressed answer")
def bomb(scene: Scene) -> None:
    packed = gzip.compress(bytes(64 * MIB), 1)
    spoil(scene, OBJECTS, lambda to, _: send(to, 200, packed, {"Content-Encoding": "gzip"}))


@attack("a redirect")
def redirect(scene: Scene) -> None:
    spoil(
        scene,
        EVENTS,
        lambda to, _: send(to, 307, b"", {"Location": "https://elsewhere.test/v1/vault/events"}),
    )


@attack("a page in the place of events")
def show_page(scene: Scene) -> None:
    spoil(scene, EVENTS, lambda to, _: send(to, 200, b"<html>Sign in to the network</html>"))


@attack("a page in the place of objects")
def show_page_for_objects(scene: Scene) -> None:
    spoil(scene, OBJECTS, lambda to, _: send(to, 200, b"<html>Sign in to the network</html>"))


@attack("an error that is no problem document")
def fail_oddly(scene: Scene) -> None:
    spoil(scene, OBJECTS, lambda to, _: send(to, 418, b"<html>teapot</html>"))


@attack("an endless answer")
def never_end(scene: Scene) -> None:
    def write(connection: socket.socket, _: httpx.Response) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"100000\r\n" + bytes(MIB) + b"\r\n")

    spoil(scene, OBJECTS, write)


@attack("an endless head")
def never_begin(scene: Scene) -> None:
    def write(connection: socket.socket, _: httpx.Response) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for number in itertools.count():
            connection.sendall(b"X-%d: %s\r\n" % (number, b"x" * 1000))

    spoil(scene, EVENTS, write)


@attack("an answer that is cut off")
def hang_up(scene: Scene) -> None:
    def write(connection: socket.socket, response: httpx.Response) -> None:
        body = response.content
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[: len(body) // 2]
        )

    spoil(scene, EVENTS, write)


@attack("noise in the place of HTTP")
def make_noise(scene: Scene) -> None:
    spoil(scene, EVENTS, lambda to, _: to.sendall(bytes(range(256)) * 16))


@attack("an answer that drips")
def drip(scene: Scene) -> None:
    """Each piece comes at once, and by the client's clock a minute after the one before."""

    def write(connection: socket.socket, response: httpx.Response) -> None:
        scene.minutes_pass = True
        write_honestly(connection, response)

    spoil(scene, EVENTS, write)


@attack("no answer")
def say_nothing(scene: Scene) -> None:
    scene.patch.setattr(transport, "_TIMEOUT", httpx.Timeout(0.2))
    spoil(scene, EVENTS, lambda to, _: to.recv(1))


@attack("a certificate of another authority")
def be_another(scene: Scene) -> None:
    folder = scene.world.folder / "other"
    folder.mkdir()
    other = load_or_make_certificates(folder, "127.0.0.1")
    scene.serve(lambda context: context.load_cert_chain(other.server, other.server_key))
