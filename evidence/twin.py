"""The twin run: two lives with other plaintexts of the same padded sizes look the same to the server."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from evidence.exchanges import Exchange
from evidence.normal import leave_out_timely, normalise
from evidence.story import Life

_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class StepComparison:
    """One step of both lives: how many exchanges it had, and which ones only one of them has."""

    name: str
    exchanges: int
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether a server sees no difference."""
        return not (self.only_first or self.only_second)


def compare(exchanges: Sequence[Exchange], first: Life, second: Life, until_s: float) -> list[StepComparison]:
    """Compare two lives, one after the other, step by step. ``until_s``: when the second was over."""
    transcripts = [
        _split(exchanges, first, second.steps[0][1]),
        _split(exchanges, second, until_s),
    ]
    comparisons = []
    for (name, _), one, other in zip(first.steps, *transcripts, strict=True):
        comparisons.append(StepComparison(name, one.total(), tuple(one - other), tuple(other - one)))
    return comparisons


def _split(exchanges: Sequence[Exchange], life: Life, until_s: float) -> list[Counter[str]]:
    """Split what was exchanged into the steps of a life."""
    bounds = [*(at_s for _, at_s in life.steps), until_s]
    kept = list(leave_out_timely(each for each in exchanges if bounds[0] <= each.at_s < until_s))
    return [
        Counter(normalise(each, life.canaries.username) for each in kept if begin <= each.at_s < end)
        for begin, end in pairwise(bounds)
    ]


def plant_differences(exchanges: Sequence[Exchange], life: Life) -> dict[str, list[Exchange]]:
    """Change a transcript as a careless client would: the positive controls of `compare`.

    Each change is made to the first request of a life that sends ciphertext.
    """
    number = next(
        at
        for at, each in enumerate(exchanges)
        if each.at_s >= life.steps[0][1] and each.method == "PUT" and "/objects/" in each.target
    )
    sent = exchanges[number].request
    length = str(len(life.canaries.notes[0].content))
    changed = {
        "the length of the content in a field of its own": replace(
            sent, fields=(*sent.fields, ("Solekey-Length", length))
        ),
        "a ciphertext that is one byte longer": replace(sent, body=sent.body + b"\0"),
        "a word of the content in the path": replace(
            sent, start=sent.start.replace("?", "").replace(" HTTP", "?for=note HTTP")
        ),
    }
    planted = {
        name: [*exchanges[:number], replace(exchanges[number], request=request), *exchanges[number + 1 :]]
        for name, request in changed.items()
    }
    planted["a request more"] = [*exchanges[: number + 1], *exchanges[number:]]
    return planted


def describe(comparison: StepComparison) -> list[str]:
    """Describe a difference: the lines in which the first exchanges of a step differ."""
    lines = []
    for one, other in zip(comparison.only_first[:_SHOWN], comparison.only_second[:_SHOWN], strict=False):
        differing = [
            f"{a[:300]}  ≠  {b[:300]}"
            for a, b in zip(one.splitlines(), other.splitlines(), strict=False)
            if a != b
        ]
        lines += [f"{one.splitlines()[0]} …", *differing]
    for each in (*comparison.only_first, *comparison.only_second)[:_SHOWN]:
        if not lines:
            lines.append(f"one run alone: {each.splitlines()[0]}")
    return lines
