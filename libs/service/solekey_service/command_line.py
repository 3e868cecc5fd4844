"""``python -m solekey_<service> [command]``: serves, or runs an operator's command.

A command is configured as the service itself is, and works on its database and its bus.
"""

import os
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from solekey_eventlog.bus import BusConfigurationError, BusError, open_bus
from solekey_eventlog.engine import describe_cause
from solekey_eventlog.errors import ConfigError, EventLogError
from solekey_eventlog.publisher_lock import open_publisher_lock
from solekey_service.build import build_service
from solekey_service.config import ServiceConfig, load_config
from solekey_service.definition import ServiceDefinition
from solekey_service.kernel import Kernel
from solekey_service.operator_command import MIGRATE, OperatorCommand, is_confirmed, report
from solekey_service.refusals import Refusal
from solekey_service.worker_link import parse_inherited

SERVE: Final = "serve"
EXIT_REFUSED: Final = 1
EXIT_CONFIGURATION: Final = 2


class NotConfirmedError(EventLogError):
    """Nobody has agreed to what cannot be undone."""


class ServiceRunsError(EventLogError):
    """The command is exclusive, and a process of the service runs on the same database."""


def parse_command_line(definition: ServiceDefinition[Any, Any], arguments: Sequence[str]) -> Namespace:
    """Parse a service's command line; its ``command`` is SERVE where none is given. May end the process."""
    parser = ArgumentParser(prog=f"python -m {definition.package}", description=definition.entry.summary)
    _add_config(parser, default=None)
    parser.set_defaults(command=SERVE, worker=None)
    commands = parser.add_subparsers(metavar="COMMAND", help="default: serve")
    serve = commands.add_parser(SERVE, help="answer requests until SIGTERM")
    _add_config(serve, default=SUPPRESS)
    serve.add_argument("--worker", type=parse_inherited, default=SUPPRESS, help=SUPPRESS)  # the supervisor's
    for command in definition.all_commands:
        its = commands.add_parser(command.name, help=command.help, description=command.help)
        its.set_defaults(command=command.name)
        _add_config(its, default=SUPPRESS)
        command.add_arguments(its)
        if command.ask is not None:
            its.add_argument("--yes", action="store_true", help="do it without asking")
    return parser.parse_args(arguments)


def run_command(definition: ServiceDefinition[Any, Any], arguments: Namespace) -> int:
    """Run a command of an operator, configured by the environment; return the exit code."""
    try:
        config = load_config(definition.config, os.environ, arguments.config)
    except ConfigError as error:
        _print_problems(error.problems)
        return EXIT_CONFIGURATION
    return run_command_on(definition, config, arguments)


def run_command_on(
    definition: ServiceDefinition[Any, Any], config: ServiceConfig, arguments: Namespace
) -> int:
    """Run a command on a service that is configured so; return the exit code."""
    commands = {command.name: command for command in definition.all_commands}
    try:
        return _run(definition, config, commands[arguments.command], arguments)
    except ConfigError as error:
        _print_problems(error.problems)
        return EXIT_CONFIGURATION
    except BusConfigurationError as error:
        report(str(error))
        return EXIT_CONFIGURATION
    except (Refusal, EventLogError, BusError, LookupError) as error:
        cause = describe_cause(error)
        report(str(error) if cause == str(error) else f"{error}: {cause}")
        return EXIT_REFUSED


def _run(
    definition: ServiceDefinition[Any, Any],
    config: ServiceConfig,
    command: OperatorCommand[Any],
    arguments: Namespace,
) -> int:
    if command.name == MIGRATE:
        config = replace(config, migrate=True)
    with open_bus(config.bus_config(client_id=f"{definition.package}-operator")) as bus:
        api = build_service(definition, config, bus)
        with closing(api.kernel):
            question = None if command.ask is None or arguments.yes else command.ask(api, arguments)
            if question is not None and not is_confirmed(question):
                raise NotConfirmedError(f"{command.name}: nothing was changed")
            if not command.is_exclusive:
                return command.run(api, arguments) or 0
            with _hold_service(api.kernel, definition, command):
                return command.run(api, arguments) or 0


@contextmanager
def _hold_service(
    kernel: Kernel[ServiceConfig], definition: ServiceDefinition[Any, Any], command: OperatorCommand[Any]
) -> Iterator[None]:
    """Hold the lock that every running process of the service wants: that of its publisher."""
    with open_publisher_lock(kernel.engine) as lock:
        if not lock.acquire():
            raise ServiceRunsError(
                f"{command.name}: the {definition.service} service is running on this database; stop it first"
            )
        yield


def _add_config(parser: ArgumentParser, *, default: str | None) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", default=default, help="TOML file; the environment counts more"
    )


def _print_problems(problems: Sequence[str]) -> None:
    for problem in problems:
        report(problem)
    sys.stderr.flush()
