"""Every parser takes what is valid, and refuses all else by name: never by an IndexError or the like."""

from contextlib import nullcontext

import pytest

from tests.system.fuzz.account_targets import TARGETS as ACCOUNTS
from tests.system.fuzz.answer_targets import TARGETS as ANSWERS
from tests.system.fuzz.audit_targets import TARGETS as AUDIT
from tests.system.fuzz.crypto_targets import TARGETS as CRYPTO
from tests.system.fuzz.device_targets import TARGETS as DEVICES
from tests.system.fuzz.factor_targets import TARGETS as FACTORS
from tests.system.fuzz.keeping_targets import TARGETS as KEEPING
from tests.system.fuzz.log_targets import TARGETS as LOGS
from tests.system.fuzz.profile_targets import TARGETS as PROFILE
from tests.system.fuzz.protocol_targets import TARGETS as PROTOCOL
from tests.system.fuzz.queue_targets import TARGETS as QUEUE
from tests.system.fuzz.server_targets import TARGETS as SERVER
from tests.system.fuzz.settings_targets import TARGETS as SETTINGS
from tests.system.fuzz.target import LONG_EXAMPLES, QUICK_EXAMPLES, Target, fuzz, take
from tests.system.fuzz.typed_targets import TARGETS as TYPED

TARGETS = (
    *ACCOUNTS,
    *ANSWERS,
    *AUDIT,
    *CRYPTO,
    *DEVICES,
    *FACTORS,
    *KEEPING,
    *LOGS,
    *PROFILE,
    *PROTOCOL,
    *QUEUE,
    *SERVER,
    *SETTINGS,
    *TYPED,
)
each = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


@each
def test_valid_inputs_are_taken_and_come_back(target: Target) -> None:
    take(target, QUICK_EXAMPLES)


@pytest.mark.parametrize(
    ("target", "finding"),
    [
        pytest.param(target, finding, id=f"{target.name}: {str(finding)[:40]!r}")
        for target in TARGETS
        for finding in target.findings
    ],
)
def test_what_was_found_once_is_refused_by_name(target: Target, finding: object) -> None:
    refused = pytest.raises(target.refusals) if target.refusals else nullcontext()
    with refused:
        target.check(finding)


@each
def test_mutants_are_refused_by_name(target: Target) -> None:
    fuzz(target, QUICK_EXAMPLES)


@pytest.mark.slow
@each
def test_many_mutants_are_refused_by_name(target: Target) -> None:
    fuzz(target, LONG_EXAMPLES)
