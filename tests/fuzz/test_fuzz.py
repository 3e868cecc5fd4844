"""Every parser takes what is valid, and refuses all else by name: never by an IndexError or the like."""

from contextlib import nullcontext

import pytest
from fuzz.account_targets import TARGETS as ACCOUNTS
from fuzz.client_targets import TARGETS as CLIENT
from fuzz.crypto_targets import TARGETS as CRYPTO
from fuzz.device_targets import TARGETS as DEVICES
from fuzz.factor_targets import TARGETS as FACTORS
from fuzz.keeping_targets import TARGETS as KEEPING
from fuzz.protocol_targets import TARGETS as PROTOCOL
from fuzz.server_targets import TARGETS as SERVER
from fuzz.target import LONG_EXAMPLES, QUICK_EXAMPLES, Target, fuzz, take
from fuzz.typed_targets import TARGETS as TYPED

TARGETS = (*ACCOUNTS, *CLIENT, *CRYPTO, *DEVICES, *FACTORS, *KEEPING, *PROTOCOL, *SERVER, *TYPED)
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
