"""Runs services: one nameko container each, one listen socket for all. First import of every ``__main__``.

Importing this module patches the standard library for eventlet, which must happen before anything else keeps
a socket, lock or thread of the unpatched kind. Nothing else patches, and no domain module knows of it::

    from solekey_service.runner import main  # patches the standard library: stays first

    # isort: split
    from solekey_vault.definition import DEFINITION

    if __name__ == "__main__":
        main(DEFINITION)
"""

import os
import warnings

os.environ["EVENTLET_NO_GREENDNS"] = "yes"  # see name_lookup
with warnings.catch_warnings():
    # eventlet announces its retirement at every import; nameko is the outermost ring and can be replaced.
    warnings.simplefilter("ignore")
    import eventlet

    eventlet.monkey_patch()
    from solekey_service.name_lookup import ask_in_thread

    ask_in_thread()
    from solekey_service.loops_under_eventlet import install

    install()

import gc
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

from nameko.runners import ServiceRunner

from solekey_eventlog.bus import BusConfigurationError
from solekey_eventlog.engine import describe_cause, is_refused
from solekey_eventlog.errors import ConfigError, UnavailableError
from solekey_eventlog.heartbeats import HeartbeatProcess, HeartbeatSource
from solekey_service.command_line import SERVE, parse_command_line, run_command
from solekey_service.config import ServiceConfig, load_config
from solekey_service.definition import ServiceDefinition
from solekey_service.http import Operation
from solekey_service.http_server.application import Observer
from solekey_service.http_server.server import HttpServer, Room
from solekey_service.kernel import Kernel
from solekey_service.log_setup import set_up_logging
from solekey_service.monitoring.server import MonitoringServer
from solekey_service.monitoring.traces import Traces
from solekey_service.nameko_ext.http_entrypoint import SERVER_KEY
from solekey_service.nameko_ext.service_class import make_service_class
from solekey_service.nameko_ext.wiring import PARTS_KEY, PROOFS_KEY, Parts, Wiring, build_parts, find_wiring
from solekey_service.supervisor import Supervisor, build_command, open_shared
from solekey_service.tls import ServerTls
from solekey_service.worker_link import READY, WAKE, Inherited, Line

_log = logging.getLogger(__name__)

OnReady = Callable[[int, Sequence[Kernel[ServiceConfig]]], None]

EXIT_CONFIGURATION = 2
EXIT_FAILED = 1
_FINISH_REQUESTS_S = 10.0
_STOP_S = 10.0
_SEND_TRACES_S = 3.0
_LOOK_S = 0.1
_COLLECT_EVERY = 20_000
"""Objects that are made before garbage is looked for; what requests leave is freed without that."""


def main(definition: ServiceDefinition[Any, Any]) -> NoReturn:
    """Run one service as a process, or a command of its operator; ends the process.

    Both are configured by the environment and at most one file.
    """
    arguments = parse_command_line(definition, sys.argv[1:])
    if arguments.command != SERVE:
        sys.exit(run_command(definition, arguments))
    try:
        config = load_config(definition.config, os.environ, arguments.config)
    except ConfigError as error:
        end_with_problems(error.problems)
    set_up_logging(config.log_level, config.log_format)
    if arguments.worker is not None:
        sys.exit(run([definition], [config], worker=arguments.worker))
    if config.processes > 1:
        sys.exit(_supervise(definition, config, build_command(definition.package, arguments.config)))
    sys.exit(run([definition], [config]))


def end_with_problems(problems: Sequence[str]) -> NoReturn:
    """Print what a person must change and end the process."""
    for problem in problems:
        sys.stderr.write(f"solekey: {problem}\n")
    sys.exit(EXIT_CONFIGURATION)


def run(
    definitions: Sequence[ServiceDefinition[Any, Any]],
    configs: Sequence[ServiceConfig],
    *,
    on_ready: OnReady = lambda _port, _kernels: None,
    worker: Inherited | None = None,
) -> int:
    """Run services until SIGTERM or SIGINT, and return the exit code.

    Args:
        definitions: of the services.
        configs: theirs, in the same order; where to listen is taken from the first.
        on_ready: called with the port and the kernels once every service answers.
        worker: what the supervisor has passed on, if this is one of its processes.
    """
    signals = _Signals()
    monitoring = MonitoringServer(None if _is_silent(worker) else configs[0].monitoring_address)
    try:
        monitoring.start(None if worker is None else worker.monitoring)
        traces = Traces([each.service for each in definitions], configs[0].traces_endpoint)
        server = _open_server(configs[0], (monitoring.requests.observe, traces.observe))
        port = server.listen() if worker is None else server.adopt(worker.listener)
        services = [make_service_class(each) for each in definitions]
        runner = _make_runner(services, configs, server, None if worker is None else worker.proofs)
        _start(runner)
    except (ConfigError, BusConfigurationError) as error:
        _log.critical("%s", error)
        return EXIT_CONFIGURATION
    except UnavailableError as error:
        _log.critical("%s: %s", error, describe_cause(error))
        return EXIT_CONFIGURATION if is_refused(error) else EXIT_FAILED
    except OSError as error:
        _log.critical("cannot listen on %s: %s", configs[0].listen, error)
        return EXIT_CONFIGURATION
    signals.is_building = False
    wirings = [find_wiring(container) for container in runner.containers]
    beats = None
    if worker is None:
        sources = list(map(_describe_heartbeats, definitions, configs))
        beats = HeartbeatProcess(sources, configs[0].log_format)
        beats.keep_running()
    _spare_collections()
    for wiring in wirings:
        traces.follow(wiring.kernel)
    _await_news(wirings, signals.received)
    server.start()
    monitoring.begin([wiring.describe() for wiring in wirings])
    _log.info("listening on port %d: %s", port, ", ".join(runner.service_names))
    kernels = [wiring.kernel for wiring in wirings]
    on_ready(port, kernels)
    if worker is not None:
        _join_supervisor(worker, kernels, signals.received)
    died = _wait(runner, signals.received, beats)
    monitoring.readiness.end()
    for wiring in wirings:
        wiring.announce_stop()
    server.stop(_FINISH_REQUESTS_S)
    if beats is not None:
        beats.stop()
    _stop(runner)
    monitoring.stop()
    with eventlet.Timeout(_SEND_TRACES_S, False):
        traces.stop()
    _log.info("stopped")
    return EXIT_FAILED if died else 0


def _supervise(definition: ServiceDefinition[Any, Any], config: ServiceConfig, command: Sequence[str]) -> int:
    """Run several processes of a service, and return the exit code."""
    signals = _Signals(is_building=False)
    beats = HeartbeatProcess([_describe_heartbeats(definition, config)], config.log_format)
    try:
        with open_shared(config) as shared:
            code = Supervisor(command, config.processes, shared).run(signals.received, beats.keep_running)
    except ConfigError as error:
        _log.critical("%s", error)
        return EXIT_CONFIGURATION
    finally:
        beats.stop()
    _log.info("stopped")
    return code


def _is_silent(worker: Inherited | None) -> bool:
    """Whether operators are answered by another process of the service."""
    return worker is not None and worker.monitoring is None


def _await_news(wirings: Sequence[Wiring], stop: Sequence[int]) -> None:
    """Wait a moment for the first news of the feeds that trust depends on, where there may be other replicas.

    One that has just been started has heard nothing and would refuse what it is given. Who has connected
    meanwhile waits in the kernel. Without a bus, and on the embedded one, nothing is waited for.
    """
    kernels = [each.kernel for each in wirings if each.is_bus_known and each.kernel.is_bus_shared]
    until_s = time.monotonic() + max((kernel.config.freshness_s for kernel in kernels), default=0.0)
    while not stop and time.monotonic() < until_s and not all(kernel.health()[0] for kernel in kernels):
        eventlet.sleep(_LOOK_S)


def _spare_collections() -> None:
    """Have collections pass over what starting has made: they took a fifth of the time of a large commit."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY, 10, 10)


class _Signals:
    """The signals that ask to stop. One that comes while the services are built ends the process at once.

    Nothing is lost by that: transactions are whole or not there, and no group was joined. Building may wait
    for a broker that refuses.
    """

    def __init__(self, *, is_building: bool = True) -> None:
        self.received: list[int] = []
        self.is_building = is_building
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._take)

    def _take(self, number: int, _: object) -> None:
        if self.is_building:
            os._exit(0)
        self.received.append(number)


def _join_supervisor(worker: Inherited, kernels: Sequence[Kernel[ServiceConfig]], stop: list[int]) -> None:
    """Tell the supervisor that this worker is ready; wake the other workers, and stop with it."""
    line = Line(socket.socket(fileno=worker.line))

    def take(_: bytes) -> None:
        for kernel in kernels:
            kernel.publisher.notify()
            kernel.freshness.notify()

    def follow() -> None:
        line.follow(take)
        stop.append(signal.SIGTERM)  # the supervisor has ended

    for kernel in kernels:
        kernel.store.on_append(partial(line.tell, WAKE))
        kernel.projector.on_applied(partial(line.tell, WAKE))
    eventlet.spawn(follow)
    line.tell(READY)


def _open_server(config: ServiceConfig, observers: Sequence[Observer]) -> HttpServer:
    tls = None
    if config.tls_cert is not None and config.tls_key is not None:
        tls = ServerTls(config.tls_cert, config.tls_key, config.tls_client_ca)
    host, port = config.address
    room = Room(config.max_connections, config.max_connections_per_source)

    def observe(operation: Operation, status: int, code: str | None, duration_s: float) -> None:
        for each in observers:
            each(operation, status, code, duration_s)

    return HttpServer(host, port, tls, room, observe=observe, proxies=config.find_proxies())


def _make_runner(
    services: Sequence[type], configs: Sequence[ServiceConfig], server: HttpServer, proofs: int | None
) -> ServiceRunner:
    by_name: Mapping[str, Parts] = {
        service.name: build_parts(service, config)  # type: ignore[attr-defined]  # nameko asks for it
        for service, config in zip(services, configs, strict=True)
    }
    settings: dict[str, Any] = {
        PARTS_KEY: by_name,
        SERVER_KEY: server,
        PROOFS_KEY: proofs,
        "max_workers": max(config.max_workers for config in configs),
    }
    runner = ServiceRunner(settings)
    for service in services:
        runner.add_service(service)
    return runner


def _describe_heartbeats(definition: ServiceDefinition[Any, Any], config: ServiceConfig) -> HeartbeatSource:
    bus = config.bus_config(client_id=f"solekey-{definition.service}-heartbeats")
    return HeartbeatSource(definition.stream, config.database_url, bus)


def _start(runner: ServiceRunner) -> None:
    try:
        runner.start()
    except BaseException:
        runner.kill()
        raise


def _wait(runner: ServiceRunner, stop: Sequence[int], beats: HeartbeatProcess | None) -> bool:
    """Wait for a signal, or for a container that dies. True: one died."""
    waiting = eventlet.spawn(runner.wait)
    while not stop and not waiting.dead:
        # A signal does not wake eventlet's hub: look.
        eventlet.sleep(_LOOK_S)
        if beats is not None:
            beats.keep_running()
    if not waiting.dead:
        waiting.kill()
        return False
    try:
        waiting.wait()
    except Exception:  # noqa: BLE001 - whatever it died of, the others are stopped
        _log.critical("a service died", exc_info=True)
    return True


def _stop(runner: ServiceRunner) -> None:
    with eventlet.Timeout(_STOP_S, False):
        runner.stop()
        return
    _log.error("a service did not stop within %.0f s: killed", _STOP_S)
    runner.kill()
