"""Runs the embedded platform: ``python -m solekey_standalone --data-dir D``."""

from solekey_service.runner import end_with_problems, run  # patches the standard library: stays first

# isort: split
import argparse
import ipaddress
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from solekey_eventlog.bus import BusError
from solekey_eventlog.errors import ConfigError
from solekey_service.command_line import SERVE, parse_command_line, run_command_on
from solekey_service.config import LogLevel, ServiceConfig
from solekey_service.kernel import Kernel
from solekey_service.log_setup import set_up_logging
from solekey_standalone.backup_command import COMMANDS, run_backup_command
from solekey_standalone.certificates import Certificates, keep_renewed, load_or_make_certificates
from solekey_standalone.folder import DataFolder, FolderIncompleteError, FolderInUseError
from solekey_standalone.platform import SERVICES, create_topics, make_configs

_log = logging.getLogger(__name__)

_HEALTH_S = 20.0
_UNUSED_ORIGIN = "https://localhost"  # an operator's commands answer no requests
_LOOK_S = 0.05


def main() -> int:
    """Run until SIGTERM or SIGINT; return the exit code."""
    arguments = _parse_arguments()
    set_up_logging(arguments.log_level)
    os.umask(0o077)  # databases and objects are their owner's alone
    folder = DataFolder(arguments.data_dir.resolve())
    if arguments.operate:
        return _operate(folder, arguments)
    try:
        folder.prepare()
        with folder.lock():
            return _run(folder, arguments)
    except ConfigError as error:
        end_with_problems(error.problems)
    except (FolderInUseError, FolderIncompleteError, BusError, OSError, ValueError) as error:
        end_with_problems([str(error)])


def _operate(folder: DataFolder, arguments: argparse.Namespace) -> int:
    """Run a command of an operator on one service of a platform; return the exit code."""
    name, *command = arguments.operate
    if name in COMMANDS:
        return run_backup_command(folder, arguments.listen, arguments.operate)
    definitions = {definition.service.value: definition for definition in SERVICES}
    if name not in definitions:
        end_with_problems([f"{name}: no such service; expected {', '.join(definitions)}"])
    if not folder.is_founded:
        end_with_problems([f"{folder.path}: no platform has run here"])
    definition = definitions[name]
    parsed = parse_command_line(definition, command)
    if parsed.command == SERVE:
        end_with_problems([f"{name}: name a command; the services are served together, without any"])
    try:
        certificates = Certificates.in_folder(folder.tls)
        configs = make_configs(folder, certificates, listen=arguments.listen, origin=_UNUSED_ORIGIN)
    except (ConfigError, OSError) as error:
        end_with_problems([str(error)])
    return run_command_on(definition, configs[SERVICES.index(definition)], parsed)


def _run(folder: DataFolder, arguments: argparse.Namespace) -> int:
    host, _, port = arguments.listen.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit() or (port == "0" and not arguments.origin):
        end_with_problems(["--listen: expected host:port, with a port of its own: clients sign the address"])
    origin = arguments.origin or f"https://{_encode_host(_reachable(host))}:{port}"
    name = urlsplit(origin).hostname or host  # clients look for it in the certificate
    if folder.is_founded and not (folder.tls / "ca.pem").exists():
        _log.warning("a new authority in %s: give every client ca.pem anew (--ca)", folder.tls)
    certificates = load_or_make_certificates(folder.tls, name)
    configs = make_configs(
        folder, certificates, listen=arguments.listen, origin=origin, log_level=arguments.log_level
    )
    create_topics(configs[0])

    def on_ready(_: int, kernels: Sequence[Kernel[ServiceConfig]]) -> None:
        folder.mark_founded()
        threading.Thread(target=keep_renewed, args=(folder.tls, name, threading.Event()), daemon=True).start()
        _await_health(kernels)
        _say_ready(origin, certificates, arguments.ready_json)

    return run(SERVICES, configs, on_ready=on_ready)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m solekey_standalone", description="Every Solekey service in one process."
    )
    parser.add_argument(
        "--data-dir", type=Path, required=True, metavar="DIR", help="made when it is not there"
    )
    parser.add_argument(
        "--listen", default="127.0.0.1:8443", metavar="HOST:PORT", help="default: %(default)s"
    )
    parser.add_argument("--origin", metavar="URL", help="how clients reach it; default: https://HOST:PORT")
    parser.add_argument(
        "operate",
        nargs=argparse.REMAINDER,
        metavar="COMMAND",
        help="backup TARGET, verify-backup BACKUP, restore BACKUP; or an operator's command of one service, "
        "such as: vault parked; SERVICE --help lists them",
    )
    parser.add_argument(
        "--ready-json", action="store_true", help="print one JSON line once all services answer"
    )
    parser.add_argument("--log-level", type=LogLevel, default=LogLevel.WARNING, choices=list(LogLevel))
    return parser.parse_args()


def _await_health(kernels: Sequence[Kernel[ServiceConfig]]) -> None:
    """Wait until the services have heard of each other: the first request is not refused as too early."""
    deadline_s = time.monotonic() + _HEALTH_S
    while not all(kernel.health()[0] for kernel in kernels):
        if time.monotonic() > deadline_s:
            _log.warning("ready, but not every service is healthy: see /v1/<service>/health")
            return
        time.sleep(_LOOK_S)


def _say_ready(origin: str, certificates: Certificates, as_json: bool) -> None:
    ca = str(certificates.authority)
    fingerprint = certificates.read_fingerprint()
    how = (
        f"ready: {origin}\nauthority: SHA-256 {fingerprint}\n"
        f"connect: solekey signup --server {origin} --ca {ca}\nstop: Ctrl-C"
    )
    text = json.dumps({"ready": True, "url": origin, "ca": ca}) if as_json else how
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _reachable(host: str) -> str:
    """Name a host that clients on this machine reach: 0.0.0.0 is no host's address."""
    try:
        anywhere = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return host
    return "localhost" if anywhere else host


def _encode_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


if __name__ == "__main__":
    sys.exit(main())
