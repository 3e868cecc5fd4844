"""The requirements of OWASP ASVS 5.0, chapters V6, V7, V9 and V10: number, and lowest level that asks for it.

Numbers and levels only. Source: OWASP ASVS 5.0.0 (owasp.org/asvs), CC BY-SA 4.0.
"""

from typing import Final

_NUMBERS: Final = """
6.1 122
6.2 111111112222
6.3 11223333
6.4 112233
6.5 22222333
6.6 2223
6.7 33
6.8 2222
7.1 222
7.2 1111
7.3 22
7.4 11222
7.5 223
7.6 22
9.1 111
9.2 1222
10.1 22
10.2 223
10.3 22223
10.4 1111122222233333
10.5 22222
10.6 22
10.7 222
"""
"""Of each section: the levels of its requirements, in order."""

REQUIREMENTS: Final = {
    f"{section}.{number}": level
    for section, levels in (line.split() for line in _NUMBERS.split("\n") if line)
    for number, level in enumerate(levels, start=1)
}
"""Level by number, in the standard's order."""
