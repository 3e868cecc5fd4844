"""What a vector is, and how a file of vectors is written. Spec: conventions.md §9."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Vector:
    """One input, and what every implementation must say to it."""

    name: str
    section: str
    comment: str
    input: Mapping[str, Any]
    result: str = "ok"
    stage: str | None = None
    output: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class VectorFile:
    """The vectors of one noun.

    Raises:
        ValueError: a name twice, or a vector that is ok and says nothing.
    """

    noun: str
    page: str
    about: str
    vectors: Sequence[Vector]
    records: Mapping[str, str] = field(default_factory=dict)
    """What the vectors' `before` names; empty for nouns without a history."""

    def __post_init__(self) -> None:
        names = [vector.name for vector in self.vectors]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"{self.noun}: {sorted(twice)} stand twice")
        for vector in self.vectors:
            if vector.result == "ok" and (vector.output is None or vector.stage is not None):
                raise ValueError(f"{self.noun}: {vector.name} is ok and needs an output and no stage")

    def encode(self) -> str:
        """Encode as JSON, one vector a paragraph."""
        rows = [
            {
                "name": vector.name,
                "section": vector.section,
                "comment": vector.comment,
                "input": vector.input,
                "result": vector.result,
                "stage": vector.stage,
                "output": vector.output,
            }
            for vector in self.vectors
        ]
        document: dict[str, Any] = {"page": self.page, "about": self.about}
        if self.records:
            document["records"] = self.records
        document["vectors"] = rows
        return json.dumps(document, indent=1, ensure_ascii=True) + "\n"
