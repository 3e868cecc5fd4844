"""What a person is told of an audit: progress now and then, and a short verdict."""

from solekey.audit import Verdict, verify_log
from solekey.audit.catalogue import CHECKS
from solekey.audit.engine.collecting import Stage
from solekey.audit.report import AccountReport, Coverage, Finding, Report
from solekey.cli.output.audit_progress import ProgressLines
from solekey.cli.output.audit_report import MAX_ACCOUNTS, MAX_FINDINGS, print_report
from solekey_protocol.ids import AccountId

MANY = 1_000
ACCOUNTS = [AccountId.from_raw(number.to_bytes(16, "big")) for number in range(1, MANY + 1)]


def test_a_line_now_and_then_says_how_long_it_will_take(capsys):
    now = [0.0]
    lines = ProgressLines(lambda: now[0])
    for second in range(0, 101, 10):
        now[0] = float(second)
        lines(Stage.VERIFY, second, 200)
    assert capsys.readouterr().err.splitlines() == [
        "verifying: 30 of 200 records, about 170 s left",
        "verifying: 60 of 200 records, about 140 s left",
        "verifying: 90 of 200 records, about 110 s left",
    ]
    now[0] = 150.0
    lines(Stage.READ, 5, None)
    assert capsys.readouterr().err == "reading the log: 5 records\n"


def test_a_large_log_is_told_shortly_and_the_worst_first(capsys):
    worst = ACCOUNTS[-1]
    findings = [
        *(Finding("CHN-01", "sequence_gap", worst, "vault", seq, "a gap") for seq in range(1, 500)),
        Finding("SES-01", "registered_twice", ACCOUNTS[7], "auth", 3, "twice"),
    ]
    found = {"CHN-01": 499, "SES-01": 1}
    coverage = tuple(Coverage(check, 1, found.get(check.id, 0)) for check in CHECKS.values())
    accounts = {account: AccountReport(account, 1, {}, pinned=True) for account in ACCOUNTS}
    accounts[worst] = AccountReport(worst, 1, {}, pinned=True, findings=499)
    accounts[ACCOUNTS[7]] = AccountReport(ACCOUNTS[7], 1, {}, pinned=True, findings=1)
    print_report(Report(MANY, 0, accounts, coverage, tuple(findings)), quiet=False)
    output = capsys.readouterr().out.splitlines()
    assert len(output) < MAX_ACCOUNTS + MAX_FINDINGS + len(CHECKS) + 10
    listed = [line.split()[0] for line in output if line.startswith("  acc_")]
    assert listed[:2] == [worst, ACCOUNTS[7]]
    assert len(listed) == MAX_ACCOUNTS
    assert f"  and {MANY - MAX_ACCOUNTS} accounts more: {MANY - MAX_ACCOUNTS} pinned" in "\n".join(output)
    assert any("registered_twice" in line for line in output)
    assert "  and 450 more, 500 in all: --json lists them" in output
    assert "    CHN-01 sequence_gap: 499" in output
    assert output[-1] == "verdict: VIOLATIONS (500 findings)"


def test_a_log_of_garbage_is_counted_and_not_kept(monkeypatch):
    monkeypatch.setattr("solekey.audit.report.MAX_FINDINGS_OF_A_KIND", 3)
    report = verify_log([b"garbage %d" % number for number in range(10)])
    assert len(report.findings) == 3
    assert next(row for row in report.coverage if row.check.id == "REC-01").findings == 10
    assert report.verdict is Verdict.VIOLATIONS
