"""A process beside this one that runs a module of ours: started when needed, ended with its parent.

Parent and child share a socket pair, and nothing else: the child gets no settings from the environment, where
secrets would be visible. It ends when the parent's end of the pair closes, however the parent ends.
"""

import os
import socket
import subprocess
import sys


class ChildProcess:
    """A process that runs ``python -m MODULE FD``; FD is its end of the socket pair."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None
        self.connection: socket.socket | None = None
        """Our end of the socket pair, while there is a process."""

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> socket.socket:
        """Start it, in place of one that may be there, and return our end of the socket pair."""
        self.end()
        self.connection, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter and a module named by our own code
                [sys.executable, "-m", self._module, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={name: value for name, value in os.environ.items() if not name.startswith("SOLEKEY_")},
            )
        return self.connection

    def end(self) -> None:
        """End it, if there is one."""
        if self.connection is not None:
            self.connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self.connection = self._process = None


def open_parent() -> socket.socket:
    """Open the child's end of the socket pair, which its parent named on the command line."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.setblocking(True)  # under eventlet the parent has made it otherwise
    return connection
