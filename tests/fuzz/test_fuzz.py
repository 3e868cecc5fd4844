"""Every parser takes what is valid, and refuses all else by name: never by an IndexError or the like."""

import pytest
from fuzz.crypto_targets import TARGETS as CRYPTO
from fuzz.protocol_targets import TARGETS as PROTOCOL
from fuzz.target import LONG_EXAMPLES, QUICK_EXAMPLES, Target, fuzz, take

TARGETS = (*CRYPTO, *PROTOCOL)
each = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


@each
def test_valid_inputs_are_taken_and_come_back(target: Target) -> None:
    take(target, QUICK_EXAMPLES)


@each
def test_mutants_are_refused_by_name(target: Target) -> None:
    fuzz(target, QUICK_EXAMPLES)


@pytest.mark.slow
@each
def test_many_mutants_are_refused_by_name(target: Target) -> None:
    fuzz(target, LONG_EXAMPLES)
