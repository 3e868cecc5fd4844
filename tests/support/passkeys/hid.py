"""A software security key behind fido2's own HID framing: what a USB cable carries, in memory.

The half of CTAP 2.1 that a key speaks (§6 commands, §11.2 HID packets), made without fido2. Not here: PIN
protocols; the operating system's HID layer, which needs a device.
"""

import struct
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import cbor2
from fido2.hid import CtapHidDevice
from fido2.hid.base import CtapHidConnection, HidDescriptor

from tests.support.passkeys.authenticator import (
    AAGUID,
    Authenticator,
    ExcludedError,
    NoCredentialError,
    UnsupportedAlgorithmError,
)

PACKET_BYTES = 64
CHANNEL = b"\x00\x00\x51\x01"
INIT, CBOR, KEEPALIVE, ERROR = 0x86, 0x90, 0xBB, 0xBF
UP_NEEDED = b"\x02"
OK, INVALID_COMMAND, EXCLUDED, UNSUPPORTED, NO_CREDENTIALS, TIMEOUT = 0x00, 0x01, 0x19, 0x26, 0x2E, 0x2F


class SoftwareKey(CtapHidConnection):
    """One security key at the other end of a cable.

    Attributes:
        touched: whether somebody touches it when it asks.
        options: what authenticatorGetInfo says that it can do.
    """

    def __init__(self, authenticator: Authenticator, *, touched: bool = True, **options: bool) -> None:
        self.authenticator = authenticator
        self.touched = touched
        self.options = {"rk": True, "up": True, **options}
        self.commands: list[int] = []
        self.is_closed = False
        self._answers: deque[bytes] = deque()
        self._command = 0
        self._expected = 0
        self._received = b""

    def plug_in(self) -> CtapHidDevice:
        return CtapHidDevice(
            HidDescriptor("memory", 1, 2, PACKET_BYTES, PACKET_BYTES, "Software", None), self
        )

    def close(self) -> None:
        self.is_closed = True

    def read_packet(self) -> bytes:
        return self._answers.popleft()

    def write_packet(self, data: bytes) -> None:
        assert len(data) == PACKET_BYTES
        channel, body = data[:4], data[4:]
        if body[0] & 0x80:
            self._command, self._expected = body[0], struct.unpack(">H", body[1:3])[0]
            self._received = body[3:]
        else:
            self._received += body[1:]
        if len(self._received) < self._expected:
            return
        message = self._received[: self._expected]
        if self._command == INIT:
            self._send(channel, INIT, message + CHANNEL + bytes([2, 1, 0, 0, 0x04]))
        elif self._command == CBOR:
            self._send(channel, CBOR, self._run(message))
        else:
            self._send(channel, ERROR, bytes([INVALID_COMMAND]))

    def _send(self, channel: bytes, command: int, message: bytes) -> None:
        frame = bytes([command]) + struct.pack(">H", len(message)) + message[: PACKET_BYTES - 7]
        rest, number = message[PACKET_BYTES - 7 :], 0
        while True:
            self._answers.append((channel + frame).ljust(PACKET_BYTES, b"\x00"))
            if not rest:
                return
            frame, rest = bytes([number]) + rest[: PACKET_BYTES - 5], rest[PACKET_BYTES - 5 :]
            number += 1

    def _run(self, message: bytes) -> bytes:
        commands: dict[int, Callable[[Mapping[int, Any]], dict[int, Any]]] = {
            0x01: self._make_credential,
            0x02: self._get_assertion,
            0x04: self._get_info,
        }
        self.commands.append(message[0])
        if message[0] not in commands:
            return bytes([INVALID_COMMAND])
        try:
            answer = commands[message[0]](cbor2.loads(message[1:]) if message[1:] else {})
        except ExcludedError:
            return bytes([EXCLUDED])
        except UnsupportedAlgorithmError:
            return bytes([UNSUPPORTED])
        except NoCredentialError:
            return bytes([NO_CREDENTIALS])
        except TimeoutError:
            return bytes([TIMEOUT])
        return bytes([OK]) + cbor2.dumps(answer, canonical=True)

    def _get_info(self, _: Mapping[int, Any]) -> dict[int, Any]:
        return {1: ["FIDO_2_0"], 3: AAGUID, 4: self.options, 5: 1200, 6: [1]}

    def _make_credential(self, asked: Mapping[int, Any]) -> dict[int, Any]:
        self._wait_for_touch()
        made = self.authenticator.make_credential(
            asked[2]["id"],
            asked[3]["id"],
            asked[1],
            [each["alg"] for each in asked[4]],
            exclude=[each["id"] for each in asked.get(5, ())],
            resident=asked.get(7, {}).get("rk", False),
        )
        parts = cbor2.loads(made)
        return {1: parts["fmt"], 2: parts["authData"], 3: parts["attStmt"]}

    def _get_assertion(self, asked: Mapping[int, Any]) -> dict[int, Any]:
        present = asked.get(5, {}).get("up", True)
        allow = [each["id"] for each in asked.get(3, ())]
        if present and any(self.authenticator.find_key(asked[1], each) for each in allow):
            self._wait_for_touch()
        signed = self.authenticator.get_assertion(asked[1], asked[2], allow, present=present)
        credential = {"id": signed.credential, "type": "public-key"}
        return {1: credential, 2: signed.authenticator_data, 3: signed.signature}

    def _wait_for_touch(self) -> None:
        self._send(CHANNEL, KEEPALIVE, UP_NEEDED)
        if not self.touched:
            raise TimeoutError
