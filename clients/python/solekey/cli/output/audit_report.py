"""The verdict of an audit for a person: short, however large the log; the worst first.

Whoever wants all of it asks for `--json`, or for the tables (`--tables`).
"""

from collections import Counter
from typing import TYPE_CHECKING, Final

from solekey.cli.output.printing import count_of, say

if TYPE_CHECKING:
    from solekey.audit.report import AccountReport, Finding, Report

_WORDS: Final = {"clean": "clean", "violations": "VIOLATIONS ({})", "cannot_tell": "cannot tell"}
MAX_ACCOUNTS: Final = 20
"""Accounts that are listed; of the others there are counts."""
MAX_FINDINGS: Final = 50


def print_report(report: "Report", *, quiet: bool) -> None:
    """Print what was looked at, what was found, and the verdict."""
    if not quiet:
        _print_provenance(report)
        _print_accounts(report)
        _print_coverage(report)
        _print_limits(report)
    _print_findings(report.findings, "  {}")
    _print_findings(report.notices, "  notice: {}")
    for doubt in report.doubts:
        say("  cannot tell: {}", doubt)
    found = sum(row.findings for row in report.coverage)
    say("verdict: {}", _WORDS[report.verdict.value].format(count_of(found, "finding")))


def _print_limits(report: "Report") -> None:
    """Say how much could be hidden in this log, and where to read what no log shows."""
    say(
        "hidden by the operator: {} at most, {} in one account; what no log shows: --json (cannot_show)",
        count_of(report.covert.total, "bit"),
        count_of(report.covert.most, "bit"),
    )


def _print_provenance(report: "Report") -> None:
    provenance = report.provenance
    if provenance is None:
        return
    say("{} sha256:{}", provenance.source, provenance.digest)
    if provenance.first is not None:
        say("  events of {} to {}", provenance.first, provenance.last)
    for bundle in provenance.bundles:
        say("  bundle sha256:{}", bundle)
    for each in provenance.ranges:
        say("  {} partition {}: offsets {} to {}", each.topic, each.partition, each.first, each.last)
    for name, digest in provenance.pins.items():
        say("  pins {} sha256:{}", name, digest)
    if provenance.seen is not None:
        say("  goes on from the verdict sha256:{}", provenance.seen)
    if provenance.folded is not None:
        gone_through = count_of(provenance.folded, "account")
        say("  {} gone through; the archive has the others, and nothing about them is new", gone_through)
    say("  {}, {}, {}", provenance.tool, provenance.catalogue, provenance.made_at)


def _print_accounts(report: "Report") -> None:
    users = report.users
    say(
        "{}, {} repeated, {}",
        count_of(report.records, "event"),
        report.repeated,
        count_of(len(users), "account"),
    )
    if len(users) < len(report.accounts):
        from solekey_protocol.ids import SYSTEM_ACCOUNT

        say("  {}: the platform's own records, such as its signing keys", SYSTEM_ACCOUNT)
    worst = sorted(users, key=lambda each: (-each.findings, each.pinned, each.account))
    for account in worst[:MAX_ACCOUNTS]:
        _print_account(account)
    if others := worst[MAX_ACCOUNTS:]:
        say(
            "  and {} more: {} pinned, {}, {}",
            count_of(len(others), "account"),
            sum(each.pinned for each in others),
            count_of(sum(each.trusted_devices for each in others), "trusted device"),
            count_of(sum(each.commits for each in others), "commit"),
        )


def _print_account(account: "AccountReport") -> None:
    live = [f"epoch {epoch} v{version}" for _, epoch, version in account.live_wraps]
    say(
        "  {} ({}): {}, live wraps: {}, {}{}",
        account.account,
        "pinned" if account.pinned else "NOT pinned",
        count_of(account.trusted_devices, "trusted device"),
        ", ".join(live) or "none",
        count_of(account.commits, "commit"),
        f", {count_of(account.findings, 'finding')}" if account.findings else "",
    )


def _print_coverage(report: "Report") -> None:
    """Say how much was looked at, and what this audit cannot show."""
    run = [row for row in report.coverage if row.check not in report.not_run]
    say("{} of {} checks, {} looked at:", len(run), len(report.coverage), sum(row.looked_at for row in run))
    for row in run:
        result = count_of(row.findings, "finding") if row.findings else "nothing found"
        say("  {} {} ({}: {}): {}", row.check.id, row.check.title, row.check.counts, row.looked_at, result)
    for check in report.not_run:
        say("  {} {}: not run, it needs {}", check.id, check.title, check.needs)


def _print_findings(findings: "tuple[Finding, ...]", template: str) -> None:
    """Print the first of every code before more of the same."""
    seen: Counter[tuple[str, str]] = Counter()
    ranked = []
    for finding in findings:
        seen[finding.check, finding.code] += 1
        ranked.append((seen[finding.check, finding.code], finding))
    shown = ranked if len(ranked) <= MAX_FINDINGS else sorted(ranked, key=lambda each: each[0])[:MAX_FINDINGS]
    for _, finding in shown:
        say(template, finding)
    if len(ranked) > len(shown):
        say("  and {} more, {} in all: --json lists them", len(ranked) - len(shown), len(ranked))
        for (check, code), count in seen.most_common():
            say("    {} {}: {}", check, code, count)
