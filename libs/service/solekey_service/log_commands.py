"""What an operator does when the log and the databases may not hold the same. Spec: events.md §8.

``check`` finds it and says what to do; ``republish`` gives the log back what it has lost.
"""

from argparse import ArgumentParser, Namespace
from typing import Any, Final

from solekey_eventlog.consistency import Finding, Step, check_consistency
from solekey_eventlog.republish import republish
from solekey_protocol.services import SERVICES, TOPICS, Service
from solekey_service.operator_command import OperatorCommand, report, tell
from solekey_service.stream_api import StreamApi

EXIT_FINDINGS: Final = 1

_COMMANDS: Final = {
    Step.RECOVER_OWN: "recover-own",
    Step.REPUBLISH: "republish",
    Step.REBUILD: "rebuild",
}
_OTHERS: Final = {
    Step.RESTORE: "restore the database of {service} from a backup: what it holds is damaged",
    Step.LOOK: "look at what was found above, and at `solekey audit` of the log",
}


def add_dry_run(parser: ArgumentParser) -> None:
    """Add the switch of a command that can say first what it would do."""
    parser.add_argument("--dry-run", action="store_true", help="change nothing, say what would be done")


def _check(api: StreamApi[Any], _: Namespace) -> int:
    kernel = api.kernel
    kernel.check_topics()
    followed = kernel.streams.subscribed
    findings = list(check_consistency(kernel.store, followed, kernel.bus, report))
    for what in dict.fromkeys(finding.what for finding in findings):
        tell(what)
    for line in describe_steps(findings):
        tell(line)
    if not findings:
        tell(f"the database of {kernel.service} and the log hold the same")
    return EXIT_FINDINGS if findings else 0


def describe_steps(findings: list[Finding]) -> list[str]:
    """Describe what to do about findings, in the order in which it is done."""
    steps = sorted({(finding.step, finding.writer) for finding in findings})
    lines = []
    for number, (step, service) in enumerate(steps, start=1):
        if command := _COMMANDS.get(step):
            lines.append(f"{number}. python -m {SERVICES[Service(service)].package} {command}")
        else:
            lines.append(f"{number}. {_OTHERS[step].format(service=service)}")
    if any(step in _COMMANDS for step, _ in steps):
        lines.insert(0, "What to do, once check has been run for every service, and all of them are stopped:")
        lines.append("The same steps of other services go first: recover-own of all, then republish of all.")
    return lines


def _republish(api: StreamApi[Any], arguments: Namespace) -> None:
    kernel = api.kernel
    kernel.check_topics()
    topic = TOPICS[kernel.stream]
    done = republish(
        kernel.store,
        kernel.bus,
        kernel.publisher,
        dry_run=arguments.dry_run,
        progress=lambda count: report(f"{topic}: {count} records read"),
    )
    if not done.lacking.events:
        tell(f"{topic} lacks nothing")
    elif arguments.dry_run:
        tell(f"{topic} lacks {done.lacking}; nothing was published")
    else:
        tell(f"{topic} lacked {done.lacking}; published {done.published} events")


LOG_COMMANDS: Final[tuple[OperatorCommand[StreamApi[Any]], ...]] = (
    OperatorCommand(
        "check",
        "compare the database with the log, say what differs and what to do: exit code 0 nothing differs, "
        "1 something does, 2 configuration",
        _check,
    ),
    OperatorCommand(
        "republish",
        "publish again, byte for byte, what the service's own topic has lost",
        _republish,
        is_exclusive=True,
        add_arguments=add_dry_run,
    ),
)
