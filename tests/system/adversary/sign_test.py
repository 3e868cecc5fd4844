"""A statistical test with a stated error and power: is one thing slower than another by more than a margin?

Two things are timed in pairs, in random order, so that whatever else the machine does meets both alike.
Judged are the signs of (difference minus margin): if the true median difference lies within the margin,
each sign is a coin that shows "beyond" at most half of the time, whatever the distribution of the noise.
The number of pairs beyond the margin is then at most Binomial(n, 1/2), and its exact tails give

- the error: `critical_count` (n, alpha) is reached by chance with a probability of at most alpha;
- the power: a delay under which a share p of the pairs lies beyond the margin is found with
  `derive_power` (n, p).

The share p depends on the machine's noise: it is estimated from a pilot, from below, and n follows from it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ALPHA: Final = 1e-6
"""How often a difference is reported that is not there; both directions together."""
BETA: Final = 1e-6
"""How often a delay of the stated size is missed."""


def derive_tail(n: int, p: float, count: int) -> float:
    """Derive P(X ≥ count) for X ~ Binomial(n, p)."""
    if count <= 0:
        return 1.0
    log_p, log_q = math.log(p), math.log1p(-p)
    terms = (
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * log_p + (n - k) * log_q
        for k in range(count, n + 1)
    )
    return min(1.0, math.fsum(math.exp(term) for term in terms))


def critical_count(n: int, alpha: float = ALPHA) -> int:
    """Derive how many of n pairs must lie beyond the margin for a finding; one direction has alpha / 2."""
    low, high = n // 2, n + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if derive_tail(n, 0.5, middle) <= alpha / 2 else (middle + 1, high)
    return low


def derive_power(n: int, share: float) -> float:
    """Derive the probability of a finding if a share of all pairs lies beyond the margin."""
    return derive_tail(n, min(share, 1 - 1e-12), critical_count(n))


def derive_lower_bound(found: int, n: int) -> float:
    """Derive what a share is at least, of which a pilot has found ``found`` of n (Hoeffding, 1 in 10^6)."""
    return max(0.0, found / n - math.sqrt(math.log(1 / BETA) / (2 * n)))


def choose_pairs(share: float, most: int) -> int | None:
    """Choose the smallest round number of pairs with power 1 - BETA. None: more than ``most`` are needed."""
    return next((n for n in range(100, most + 1, 100) if derive_power(n, share) >= 1 - BETA), None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many pairs were beyond the margin in each direction, and how many make a finding."""

    slower: int
    faster: int
    critical: int

    @property
    def is_finding(self) -> bool:
        """Whether the difference is larger than the margin."""
        return max(self.slower, self.faster) >= self.critical


def judge(differences: Sequence[float], margin: float) -> Verdict:
    """Judge paired differences."""
    return Verdict(
        sum(each > margin for each in differences),
        sum(each < -margin for each in differences),
        critical_count(len(differences)),
    )
