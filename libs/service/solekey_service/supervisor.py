"""Several processes of one service on one listen socket, and the one that watches over them.

The supervisor takes the address, starts the workers and passes the socket on: the kernel gives a connection
to whichever worker accepts it first. It answers no request itself. One worker starts alone, migrates the
database and finds what is wrong with the configuration; when it answers, the others follow. A worker that
ends is replaced. SIGTERM is passed on: each worker finishes its requests.

Once for all workers there are: the heartbeat process, the memory of used proofs, and the publisher, which is
whoever has the lock. Each worker is a member of the service's consumer group; the first answers operators.
"""

import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

import eventlet

from solekey_eventlog.errors import ConfigError
from solekey_service.access.seen_proofs import create_memory
from solekey_service.config import ServiceConfig
from solekey_service.http_server.server import open_listener
from solekey_service.worker_link import READY, WAKE, Inherited, Line

_log = logging.getLogger(__name__)

_LOOK_S: Final = 0.1
_START_S: Final = 120.0
"""How long the first worker may take until it answers: it migrates the database."""
_STOP_S: Final = 15.0
"""A worker gives itself 11 s."""
_PAUSE_S: Final = 1.0
"""Between two starts in the place of one worker."""
_EXIT_CONFIGURATION: Final = 2
_NUMBERS: Final = "PROMETHEUS_MULTIPROC_DIR"


@dataclass(frozen=True, slots=True)
class Shared:
    """What there is once for all workers.

    Attributes:
        listener: the listen socket.
        monitoring: that of the operators' port, if there is one: the first worker answers there.
        proofs: the descriptor of the memory of used proofs.
        numbers: the folder in which prometheus-client counts the requests of all workers.
    """

    listener: socket.socket
    monitoring: socket.socket | None
    proofs: int
    numbers: str


@contextmanager
def open_shared(config: ServiceConfig) -> Iterator[Shared]:
    """Take the addresses, and make what the workers share. Raises ConfigError: an address cannot be had."""
    with ExitStack() as stack:
        listener = stack.enter_context(_listen("listen", *config.address))
        monitoring = None
        if config.monitoring_address is not None:
            monitoring = stack.enter_context(_listen("monitoring_listen", *config.monitoring_address))
        proofs = create_memory()
        stack.callback(os.close, proofs)
        yield Shared(listener, monitoring, proofs, stack.enter_context(tempfile.TemporaryDirectory()))


def _listen(setting: str, host: str, port: int) -> socket.socket:
    try:
        return open_listener(host, port)
    except OSError as error:
        raise ConfigError([f"{setting}: cannot listen on {host}:{port}: {error}"]) from error


class Worker:
    """One place for a worker: the process that fills it now."""

    def __init__(
        self, command: Sequence[str], shared: "Shared", on_wake: Callable[["Worker"], None], *, is_first: bool
    ) -> None:
        self._command = command
        self._shared = shared
        self._on_wake = on_wake
        self._is_first = is_first
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Line | None = None
        self._started_s = 0.0
        self.is_ready = False

    def start(self) -> None:
        """Start a process in this place."""
        self._hang_up()
        ours, theirs = socket.socketpair()
        with theirs:
            shared = self._shared
            inherited = Inherited(
                shared.listener.fileno(),
                shared.proofs,
                theirs.fileno(),
                shared.monitoring.fileno() if shared.monitoring and self._is_first else None,
            )
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter and our own module
                [*self._command, "--worker", inherited.encode()],
                pass_fds=inherited.numbers,
                env=os.environ | {_NUMBERS: shared.numbers},
            )
        self._line, self.is_ready, self._started_s = Line(ours), False, time.monotonic()
        eventlet.spawn(self._line.follow, self._take)

    @property
    def exit_code(self) -> int | None:
        """How the process has ended; None: it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def is_running(self) -> bool:
        """Whether there is a process, and it has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def may_start(self) -> bool:
        """Whether the last start was long enough ago."""
        return time.monotonic() - self._started_s >= _PAUSE_S

    def wake(self) -> None:
        """Tell it that something was committed or applied elsewhere."""
        if self._line is not None:
            self._line.tell(WAKE)

    def terminate(self) -> None:
        """Ask it to stop."""
        if self._process is not None and self.is_running:
            self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._hang_up()

    def _take(self, message: bytes) -> None:
        if message == READY:
            self.is_ready = True
        elif message == WAKE:
            self._on_wake(self)

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()


class Supervisor:
    """The workers of one service."""

    def __init__(self, command: Sequence[str], count: int, shared: Shared) -> None:
        """Watch over workers.

        Args:
            command: starts one; what it inherits is added.
            count: how many there are to be.
            shared: what they share.
        """
        self._shared = shared
        self.workers = [
            Worker(command, shared, self._wake_others, is_first=number == 0) for number in range(count)
        ]

    def run(self, stop: Sequence[int], look: Callable[[], None]) -> int:
        """Run the workers until something stands in ``stop``, and return the exit code.

        Args:
            stop: the signals that have come.
            look: called about ten times a second once the first worker answers.
        """
        try:
            code = self._start(stop)
            if code is not None or stop:
                return code or 0
            port = self._shared.listener.getsockname()[1]
            _log.info("%d processes share port %d", len(self.workers), port)
            return self._watch(stop, look)
        finally:
            self._stop()

    def _start(self, stop: Sequence[int]) -> int | None:
        """Start the first worker, then the others. Returns how the first has ended, if it has."""
        first, *others = self.workers
        first.start()
        deadline_s = time.monotonic() + _START_S
        while not first.is_ready and not stop:
            if (code := first.exit_code) is not None or time.monotonic() > deadline_s:
                return 1 if code is None else code
            eventlet.sleep(_LOOK_S)
        for worker in others:
            worker.start()
        return None

    def _watch(self, stop: Sequence[int], look: Callable[[], None]) -> int:
        while not stop:
            for number, worker in enumerate(self.workers, start=1):
                code = worker.exit_code
                if code == _EXIT_CONFIGURATION:
                    return code  # its log says what a person must change
                if code is not None and worker.may_start:
                    _log.error("worker %d has ended (%d): starting another", number, code)
                    worker.start()
            look()
            eventlet.sleep(_LOOK_S)
        return 0

    def _stop(self) -> None:
        for worker in self.workers:
            worker.terminate()
        deadline_s = time.monotonic() + _STOP_S
        while any(worker.is_running for worker in self.workers) and time.monotonic() < deadline_s:
            eventlet.sleep(_LOOK_S)
        for worker in self.workers:
            if worker.is_running:
                _log.error("a worker did not stop within %.0f s: killed", _STOP_S)
            worker.kill()

    def _wake_others(self, teller: Worker) -> None:
        for worker in self.workers:
            if worker is not teller:
                worker.wake()


def build_command(package: str, config: os.PathLike[str] | None) -> list[str]:
    """Build the command that starts a worker of a service."""
    chosen = [] if config is None else ["--config", os.fspath(config)]
    return [sys.executable, "-m", package, "serve", *chosen]
