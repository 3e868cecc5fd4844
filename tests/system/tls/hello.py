"""Client hellos by hand: our own TLS library no longer offers all that a server might accept.

Wire format: RFC 8446 §4.1.2 (RFC 5246 §7.4.1.2 before it). A server that accepts answers with a server
hello, which names version, suite and compression; one that refuses answers with an alert or closes.
"""

import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

SSL_3, TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3 = 0x0300, 0x0301, 0x0302, 0x0303, 0x0304
OLD_VERSIONS: Final = {"SSLv3": SSL_3, "TLSv1": TLS_1_0, "TLSv1.1": TLS_1_1, "TLSv1.2": TLS_1_2}
SUITES_1_3: Final = {
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0x1304: "TLS_AES_128_CCM_SHA256",
    0x1305: "TLS_AES_128_CCM_8_SHA256",
}
SUITES_BEFORE_1_3: Final = (
    *(0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA8, 0xCCA9, 0xC009, 0xC013, 0xC00A, 0xC014, 0xC023, 0xC027),
    *(0x009C, 0x009D, 0x002F, 0x0035, 0x003C, 0x003D, 0x000A, 0x0005, 0x0004, 0x0033, 0x0039, 0x0067),
)
_NULL, _DEFLATE = 0, 1
_TIMEOUT_S = 10.0
_HANDSHAKE, _SERVER_HELLO = 22, 2
_SIGNATURES = (0x0403, 0x0503, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201)
_GROUPS = (0x001D, 0x0017, 0x0018)  # X25519, P-256, P-384


@dataclass(frozen=True, slots=True)
class ServerHello:
    """What a server has agreed to."""

    version: int
    suite: int
    compression: int


def say_hello(host: str, port: int, version: int, suites: Sequence[int]) -> ServerHello | None:
    """Offer one version and some suites, compression too before TLS 1.3. None: the server refuses."""
    with socket.create_connection((host, port), timeout=_TIMEOUT_S) as connection:
        connection.sendall(_encode(host, version, suites))
        try:
            kind, _, length = struct.unpack(">BHH", _read(connection, 5))
            body = _read(connection, length)
        except (EOFError, ConnectionError):
            return None
    return _parse(body) if kind == _HANDSHAKE and body[0] == _SERVER_HELLO else None


def _encode(host: str, version: int, suites: Sequence[int]) -> bytes:
    compressions = bytes([_NULL]) if version >= TLS_1_3 else bytes([_DEFLATE, _NULL])
    hello = (
        struct.pack(">H", min(version, TLS_1_2))
        + os.urandom(32)
        + _vector(1, os.urandom(32))  # a session id, as middleboxes expect it
        + _vector(2, _numbers(suites))
        + _vector(1, compressions)
        + _vector(2, b"".join(_extensions(host, version)))
    )
    handshake = b"\x01" + len(hello).to_bytes(3, "big") + hello
    return struct.pack(">BHH", _HANDSHAKE, min(version, TLS_1_0), len(handshake)) + handshake


def _extensions(host: str, version: int) -> list[bytes]:
    extensions = [
        _extension(10, _vector(2, _numbers(_GROUPS))),
        _extension(11, _vector(1, b"\x00")),
        _extension(13, _vector(2, _numbers(_SIGNATURES))),
    ]
    if not _is_address(host):
        extensions.append(_extension(0, _vector(2, b"\x00" + _vector(2, host.encode()))))
    if version >= TLS_1_3:
        share = struct.pack(">H", _GROUPS[0]) + _vector(2, os.urandom(32))  # any 32 bytes are a point
        extensions.append(_extension(43, _vector(1, _numbers([version]))))
        extensions.append(_extension(51, _vector(2, share)))
    return extensions


def _extension(number: int, body: bytes) -> bytes:
    return struct.pack(">H", number) + _vector(2, body)


def _vector(length_bytes: int, body: bytes) -> bytes:
    return len(body).to_bytes(length_bytes, "big") + body


def _numbers(numbers: Sequence[int]) -> bytes:
    return b"".join(struct.pack(">H", number) for number in numbers)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _parse(body: bytes) -> ServerHello:
    (version,) = struct.unpack(">H", body[4:6])
    rest = body[38:]
    rest = rest[1 + rest[0] :]
    suite, compression = struct.unpack(">HB", rest[:3])
    extensions = rest[5:]
    while extensions:
        number, length = struct.unpack(">HH", extensions[:4])
        if number == 43:  # supported_versions: the version that really holds
            (version,) = struct.unpack(">H", extensions[4 : 4 + length])
        extensions = extensions[4 + length :]
    return ServerHello(version, suite, compression)


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data
