"""What is fuzzed: a parser, valid inputs for it, and the only errors that it may raise."""

import os
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from tests.system.fuzz.mutations import Mutate, mutants, mutate_bytes

BY_HAND: Final = "SOLEKEY_FUZZ_EXAMPLES"
"""How many mutants a target gets in a run by hand; they are then drawn at random, not the same each time."""

QUICK_EXAMPLES: Final = 25
LONG_EXAMPLES: Final = 300
_SHOWN_CHARS: Final = 2_000
_DEADLINE_MS: Final = 10_000  # a parser that takes so long for one small input is a finding


@dataclass(frozen=True, slots=True)
class Target:
    """One parser or container.

    Attributes:
        name: what is fuzzed.
        valid: inputs that must be taken.
        check: parses an input, and asserts that what came out says what went in: encoded again it is the
            same bytes, or it is the plaintext that was sealed.
        refusals: what `check` may raise, and nothing else.
        mutate: breaks a valid input.
        findings: inputs that once raised something else.
        covers: the functions of ours that are fuzzed here, by qualified name.
        cost: how many times slower than others; it gets so many times fewer mutants.
    """

    name: str
    valid: SearchStrategy[Any]
    check: Callable[[Any], object]
    refusals: tuple[type[Exception], ...]
    mutate: Mutate = mutate_bytes
    findings: tuple[Any, ...] = ()
    covers: tuple[str, ...] = ()
    cost: int = 1

    def attempt(self, given_input: Any) -> None:
        """Parse an input that may be refused."""
        try:
            self.check(given_input)
        except self.refusals:
            return


@dataclass(frozen=True, slots=True)
class Shown:
    """An input that hypothesis prints whole when it is short, and by its ends when it is not."""

    value: Any

    def __repr__(self) -> str:
        text = repr(self.value)
        return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]} … {text[-20:]}"


def agree(actual: object, expected: Container[object], given_input: object = None) -> None:
    """Demand that a refusal is one of those that must come."""
    assert actual in expected, given_input


def fuzz(target: Target, examples: int, *, shrink: bool = True) -> None:
    """Feed mutants to a target: the same ones in each run, but for a run by hand."""
    by_hand = os.environ.get(BY_HAND)

    @settings(
        max_examples=max((int(by_hand) if by_hand else examples) // target.cost, 5),
        derandomize=not by_hand,
        database=None,
        deadline=_DEADLINE_MS,
        print_blob=True,
        phases=[Phase.generate, *([Phase.shrink] if shrink else [])],
        suppress_health_check=list(HealthCheck),
    )
    @given(mutants(target.valid, target.mutate).map(Shown))
    def attempt(mutant: Shown) -> None:
        target.attempt(mutant.value)

    attempt()


def take(target: Target, examples: int) -> None:
    """Feed valid inputs to a target: each must be taken, and come back as it was."""

    @settings(
        max_examples=max(examples // target.cost, 3),
        derandomize=True,
        database=None,
        deadline=_DEADLINE_MS,
        suppress_health_check=list(HealthCheck),
    )
    @given(target.valid.map(Shown))
    def attempt(valid: Shown) -> None:
        target.check(valid.value)

    attempt()
