"""A name server as Docker's: a name has as many addresses as there are replicas. RFC 1035, A records only."""

import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

_HEADER = struct.Struct(">6H")
_ANSWER = struct.Struct(">HHHIH4s")
_RESPONSE = 0x8180
_NO_SUCH_NAME = 0x8183
_TYPE_A, _CLASS_IN = 1, 1
_POINTER_TO_QUESTION = 0xC00C
_TTL_S = 1


@contextmanager
def run_name_server(names: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Answer for these names while the block runs; gives ``host:port``. The mapping may change meanwhile."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=_serve, args=[line, names])
        thread.start()
        try:
            yield f"127.0.0.1:{line.getsockname()[1]}"
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as goodbye:
                goodbye.sendto(b"", line.getsockname())
            thread.join()


def _serve(line: socket.socket, names: Mapping[str, Sequence[str]]) -> None:
    while True:
        query, sender = line.recvfrom(512)
        if not query:
            return
        line.sendto(_answer(query, names), sender)


def _answer(query: bytes, names: Mapping[str, Sequence[str]]) -> bytes:
    labels, place = [], _HEADER.size
    while size := query[place]:
        labels.append(query[place + 1 : place + 1 + size].decode())
        place += 1 + size
    question = query[_HEADER.size : place + 5]
    addresses = names.get(".".join(labels), ())
    (number, *_) = _HEADER.unpack_from(query)
    head = _HEADER.pack(number, _RESPONSE if addresses else _NO_SUCH_NAME, 1, len(addresses), 0, 0)
    records = [
        _ANSWER.pack(_POINTER_TO_QUESTION, _TYPE_A, _CLASS_IN, _TTL_S, 4, socket.inet_aton(address))
        for address in addresses
    ]
    return head + question + b"".join(records)
