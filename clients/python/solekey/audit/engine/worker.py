"""A process that verifies parts of a log: ``python -m solekey.audit.engine.worker``. ``processes`` starts it.

It reads frames from standard input, a context first and then parts, and answers each part with its result on
standard output. A frame is 8 bytes of length, big-endian, and a pickle: both ends are this very program.
"""

import gc
import pickle
import signal
import struct
import sys
from typing import IO, Any, Final

from solekey.audit.engine.parts import verify_part

_LENGTH: Final = struct.Struct(">Q")


def main() -> None:
    """Answer until there are no more parts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started it ends it
    gc.disable()  # events refer to nothing that refers back; looking for cycles takes a twentieth of the time
    source, target = sys.stdin.buffer, sys.stdout.buffer
    context = read_frame(source)
    gc.freeze()  # what is there now stays: each look for cycles would go through all of it
    while (part := read_frame(source)) is not None:
        write_frame(target, verify_part(part, context))
        gc.collect()


def read_frame(source: IO[bytes]) -> Any:
    """Read a frame; None at the end. Raises EOFError when it ends within a frame."""
    header = source.read(_LENGTH.size)
    if not header:
        return None
    (length,) = _LENGTH.unpack(header)
    data = source.read(length)
    if len(data) < length:
        raise EOFError("the frame is cut off")
    return pickle.loads(data)  # noqa: S301  # of a process that this one started, or was started by


def write_frame(target: IO[bytes], value: object) -> None:
    """Write a frame."""
    data = pickle.dumps(value)
    target.write(_LENGTH.pack(len(data)) + data)
    target.flush()


if __name__ == "__main__":
    main()
