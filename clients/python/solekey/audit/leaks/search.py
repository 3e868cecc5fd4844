"""Looks for all spellings of all secrets at once (Aho-Corasick), however many there are."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from solekey.audit.leaks.layers import open_layers
from solekey.audit.leaks.spellings import Spelling, spell

_BLOCK_BYTES: Final = 4 * 1024 * 1024
_OVERLAP_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Leak:
    """A secret was found: which, how it was spelt, and where."""

    secret: str
    spelling: str
    place: str


class _Search:
    """Every spelling of every secret in one automaton, in lower case; a byte is a character of Latin-1."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        named: dict[bytes, list[tuple[str, Spelling]]] = {}
        for name, secret in secrets.items():
            for spelling in spell(secret):
                named.setdefault(spelling.needle.lower(), []).append((name, spelling))
        self._automaton = _make_automaton()
        for needle, spellings in named.items():
            self._automaton.add_word(needle.decode("latin-1"), spellings)
        self._automaton.make_automaton()

    def find(self, content: bytes) -> Iterator[tuple[str, str]]:
        """Yield which secret is in the content, and how it is spelt."""
        if not len(self._automaton):
            return
        for end, spellings in self._automaton.iter(content.lower().decode("latin-1")):
            for name, spelling in spellings:
                start = end + 1 - len(spelling.needle)
                if spelling.caseless or content.startswith(spelling.needle, start):
                    yield name, spelling.name


def _make_automaton() -> Any:
    try:
        import ahocorasick
    except ImportError as error:
        raise ImportError("a search for secrets needs solekey[audit]") from error
    return ahocorasick.Automaton()


def find_leaks(secrets: Mapping[str, bytes], places: Iterable[tuple[str, bytes]]) -> list[Leak]:
    """Search named bytes for named secrets in every spelling, also inside what is compressed or encoded.

    Raises:
        ValueError: a secret is too short to be searched for.
        ImportError: ``solekey[audit]`` is not installed.
    """
    search = _Search(secrets)
    leaks: dict[Leak, None] = {}
    for place, data in places:
        for layer, content in open_layers(data):
            for name, spelling in sorted(set(search.find(content))):
                leaks[Leak(name, spelling + layer, place)] = None
    return list(leaks)


def read_places(paths: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield every file below the paths; a large one in overlapping blocks."""
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                yield from _read_blocks(file)


def _read_blocks(file: Path) -> Iterator[tuple[str, bytes]]:
    with file.open("rb") as source:
        tail = b""
        while block := source.read(_BLOCK_BYTES):
            yield str(file), tail + block
            tail = block[-_OVERLAP_BYTES:]
