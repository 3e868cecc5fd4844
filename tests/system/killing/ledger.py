"""What was intended and what was acknowledged: one file a device, each line on disk before what follows."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

GONE = ""
"""The content of a removed item."""


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Expected:
    """What an item may hold. ``acknowledged`` None: nothing was; ``intended``: since, and unacknowledged."""

    acknowledged: str | None = None
    intended: set[str] = field(default_factory=set)

    def allows(self, found: str) -> bool:
        if found in self.intended or found == self.acknowledged:
            return True
        return self.acknowledged is None and found == GONE


@dataclass(frozen=True, slots=True)
class Ledger:
    """Written by a device that may be killed, read by the driver."""

    path: Path

    def note(self, kind: str, name: str, content: str) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps([kind, name, content]) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> tuple[dict[str, Expected], int]:
        """Read what each item may hold, and how many writes were acknowledged."""
        expected: dict[str, Expected] = {}
        acknowledged = 0
        for line in self.path.read_text().splitlines() if self.path.exists() else []:
            kind, name, content = json.loads(line)
            entry = expected.setdefault(name, Expected())
            if kind == "intended":
                entry.intended.add(content)
            else:
                acknowledged += 1
                entry.acknowledged, entry.intended = content, set()
        return expected, acknowledged
