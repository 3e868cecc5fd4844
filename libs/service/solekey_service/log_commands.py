"""What an operator does when the log and the databases may not hold the same. Spec: events.md §8.

``check`` finds it and says what to do; ``recover-own`` takes back own events that only the log has,
``republish`` gives the log back what it has lost, and ``rebuild`` makes an inbox of what the log holds, and
what is derived from it.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from solekey_eventlog.consistency import Finding, Step, check_consistency
from solekey_eventlog.errors import LogFaultError
from solekey_eventlog.recover import Recovery
from solekey_eventlog.republish import republish
from solekey_protocol.errors import MalformedError
from solekey_protocol.services import SERVICES, TOPICS, Service
from solekey_service.operator_command import OperatorCommand, is_confirmed, report, tell
from solekey_service.read_models import ReadModel, count_wrong_snapshots, rebuild_read_model
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


def _add_rebuild_arguments(parser: ArgumentParser) -> None:
    add_dry_run(parser)
    parser.add_argument(
        "--accept-loss",
        action="store_true",
        help="forget what was applied and is not in the log any more, such as a revocation",
    )
    parser.add_argument(
        "--verify-signatures",
        action="store_true",
        help="verify also the signatures of what was applied before; takes several times as long",
    )


def _rebuild(read_models: Sequence[ReadModel[Any]], api: StreamApi[Any], arguments: Namespace) -> int:
    """Rebuild the inbox, then what is derived from it and from the service's own events."""
    store, dry_run = api.kernel.store, arguments.dry_run
    done = "differ" if dry_run else "differed, and are made anew"
    wrong = count_wrong_snapshots(store)
    code = _rebuild_inbox(api, arguments)
    if wrong:
        tell(f"fold snapshots: {wrong} {done}")
        code = EXIT_FINDINGS if dry_run else code
    for model in read_models:
        try:
            differing = rebuild_read_model(api, store, model, report, dry_run=dry_run)
        except (LookupError, MalformedError) as error:
            tell(f"{model.name}: not rebuilt, nothing was changed: {error}")
            code = EXIT_FINDINGS
            continue
        if differing:
            tell(f"{model.name}: those of {differing} accounts {done}")
            code = EXIT_FINDINGS if dry_run else code
        else:
            tell(f"{model.name}: as the events say")
    return code


def _rebuild_inbox(api: StreamApi[Any], arguments: Namespace) -> int:
    kernel = api.kernel
    kernel.check_topics()
    done = kernel.make_rebuild(lambda what, count: report(f"{what} {count}")).run(
        dry_run=arguments.dry_run,
        accept_loss=arguments.accept_loss,
        verify_signatures=arguments.verify_signatures,
    )
    if done.accounts:
        tell(f"{done.accounts} accounts differ or are parked: {done.unapplied} events were not applied")
    for topic, tally in done.gone.items():
        tell(f"{topic}: the log lacks what was applied here: {tally}")
    if not done.is_switched:
        tell(f"compared {done.records} events; nothing was changed")
        return EXIT_FINDINGS if done.accounts else 0
    tell(
        f"rebuilt the inbox from {done.records} events; {kernel.projector.count_parked()} accounts are parked"
    )
    return 0


def _make_recovery(api: StreamApi[Any]) -> Recovery:
    kernel = api.kernel
    topic = TOPICS[kernel.stream]
    tell_count = partial(_report_count, f"{topic}: records read")
    return Recovery(kernel.store, kernel.streams, kernel.bus, kernel.recoveries, tell_count)


def _report_count(what: str, count: int) -> None:
    report(f"{what}: {count}")


def _recover(api: StreamApi[Any], arguments: Namespace) -> None:
    api.kernel.check_topics()
    done = _make_recovery(api).run(dry_run=True)
    if not done.events.events:
        tell(f"{done.topic} holds nothing that the database lacks")
        return
    facts = ", ".join(f"{kind} {count}" for kind, count in sorted(done.facts.items()))
    tell(f"{done.topic} has, and the database lacks, {done.events}")
    tell(f"of them nobody has signed: {facts or 'none'}")
    if arguments.dry_run:
        tell("nothing was changed")
        return
    question = "Whoever could write to the topic can have written what nobody has signed. Take it back?"
    if facts and not arguments.yes and not is_confirmed(question):
        raise LogFaultError("recover-own: nothing was changed")
    _make_recovery(api).run(dry_run=False)
    tell(f"took back {done.events.events} events; next: republish, then rebuild")


def _add_recovery_arguments(parser: ArgumentParser) -> None:
    add_dry_run(parser)
    parser.add_argument("--yes", action="store_true", help="take back, too, what nobody has signed")


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
    OperatorCommand(
        "recover-own",
        "take back own events that only the log has, after the database was restored older",
        _recover,
        is_exclusive=True,
        add_arguments=_add_recovery_arguments,
    ),
)


def make_rebuild_command(read_models: Sequence[ReadModel[Any]]) -> OperatorCommand[StreamApi[Any]]:
    """Make the command that rebuilds all that a service derives from events."""
    return OperatorCommand(
        "rebuild",
        "fold the inbox from the beginning of every topic beside the live one, and all that is derived from "
        "events; compare, and switch what differs",
        partial(_rebuild, read_models),
        is_exclusive=True,
        add_arguments=_add_rebuild_arguments,
    )
