"""Tells whether a text repeats secret words: two side by side, as one alone ("key") proves nothing."""

import re
from itertools import pairwise


def repeats(phrase: str, text: str) -> bool:
    """Tell whether two neighbours of a phrase stand side by side in a text, whatever stands between them."""
    shown = " ".join(re.findall(r"[a-z]+", text.lower()))
    return any(f" {first} {second} " in f" {shown} " for first, second in pairwise(phrase.lower().split()))
