"""Reads a file of vectors. Spec: conventions.md §9."""

import json
from pathlib import Path
from typing import Any


def read_file(path: Path) -> dict[str, Any]:
    """Read a file, and put the records themselves where vectors name them."""
    file: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for vector in file["vectors"]:
        if "before" in vector["input"]:
            vector["input"]["before"] = [file["records"][name] for name in vector["input"]["before"]]
    return file
