"""How a password is stretched into the login key: Argon2id and its parameters. Spec: keys.md §6.2.

Pure. The client stretches; this service keeps the parameters and holds them to a floor and a ceiling.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from solekey_auth.limits import MAX_SALT_BYTES, MIN_SALT_BYTES
from solekey_auth.refusals import KdfExcessive, KdfTooWeak
from solekey_protocol.encoding import Json
from solekey_service.refusals import BadRequest

KDF_ALGORITHM = "argon2id"
_SALT = re.compile(rf"(?:[0-9a-f]{{2}}){{{MIN_SALT_BYTES},{MAX_SALT_BYTES}}}")
_WANTED = re.compile(r"(?P<name>memory_kib|iterations|lanes)=(?P<number>[0-9]{1,7})", re.ASCII)
_FLOOR = {"memory_kib": 64 * 1024, "iterations": 3, "lanes": 4}
"""RFC 9106 §4, second choice. Each number is compared by itself."""
_CEILING = {"memory_kib": 1024 * 1024, "iterations": 16, "lanes": 16}


@dataclass(frozen=True, slots=True)
class KdfWork:
    """How much work Argon2id does, without a salt. Each number is compared by itself."""

    memory_kib: int
    iterations: int
    lanes: int

    def to_json(self) -> dict[str, Json]:
        """The numbers as JSON members."""
        return {"iterations": self.iterations, "lanes": self.lanes, "memory_kib": self.memory_kib}

    def is_weaker_than(self, other: "KdfWork") -> bool:
        """Whether any of the numbers is less than the other's."""
        return (
            self.memory_kib < other.memory_kib
            or self.iterations < other.iterations
            or self.lanes < other.lanes
        )


KDF_FLOOR = KdfWork(**_FLOOR)


@dataclass(frozen=True, slots=True)
class KdfParameters:
    """Argon2id parameters that a client stretches its password with (keys.md §6.2)."""

    memory_kib: int
    iterations: int
    lanes: int
    salt: bytes = field(repr=False)

    @property
    def work(self) -> KdfWork:
        """What they cost."""
        return KdfWork(self.memory_kib, self.iterations, self.lanes)

    def to_json(self) -> dict[str, Json]:
        """The parameters as JSON members."""
        return {**self.work.to_json(), "algorithm": KDF_ALGORITHM, "salt": self.salt.hex()}


def parse_kdf(document: Json) -> KdfParameters:
    """Parse KDF parameters and hold them to the floor and the ceiling.

    Raises:
        BadRequest: not exactly the five members of Argon2id parameters.
        KdfTooWeak, KdfExcessive: outside keys.md §6.2.
    """
    expected = {"algorithm", "salt", *_FLOOR}
    if not isinstance(document, Mapping) or document.keys() != expected:
        raise BadRequest(f"kdf: expected exactly the members {', '.join(sorted(expected))}")
    if document["algorithm"] != KDF_ALGORITHM:
        raise BadRequest(f"kdf.algorithm: expected {KDF_ALGORITHM}")
    salt = document["salt"]
    if not isinstance(salt, str) or not _SALT.fullmatch(salt):
        raise BadRequest(f"kdf.salt: expected {MIN_SALT_BYTES} to {MAX_SALT_BYTES} bytes, lower-case hex")
    numbers = {name: _parse_number(document, name) for name in _FLOOR}
    for name, value in numbers.items():
        if value < _FLOOR[name]:
            raise KdfTooWeak(f"kdf.{name}: at least {_FLOOR[name]}")
    for name, value in numbers.items():
        if value > _CEILING[name]:
            raise KdfExcessive(f"kdf.{name}: at most {_CEILING[name]}")
    return KdfParameters(**numbers, salt=bytes.fromhex(salt))


def parse_kdf_wanted(text: str) -> KdfWork | None:
    """Parse the work that an operator wants: ``memory_kib=131072,iterations=4``; None for the empty text.

    What is left out stays at the floor.

    Raises:
        ValueError: not of this form, or outside keys.md §6.2.
    """
    if not text.strip():
        return None
    numbers = dict(_FLOOR)
    for member in text.split(","):
        found = _WANTED.fullmatch(member.strip())
        if found is None or text.count(found["name"]) > 1:
            raise ValueError(f"expected each of {', '.join(_FLOOR)} once at most, as name=number")
        name, number = found["name"], int(found["number"])
        if not _FLOOR[name] <= number <= _CEILING[name]:
            raise ValueError(f"{name}: expected {_FLOOR[name]} to {_CEILING[name]}")
        numbers[name] = number
    return KdfWork(**numbers)


def _parse_number(document: Mapping[str, Json], name: str) -> int:
    value = document[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadRequest(f"kdf.{name}: expected an integer")
    return value
