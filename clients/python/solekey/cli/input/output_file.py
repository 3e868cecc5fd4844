"""Where a result is written: a file, or standard output, which ``-`` names as it does for input."""

from pathlib import Path
from typing import Any

import click


class OutputFile(click.Path):
    """A file to be written. ``-`` is standard output, where a command can write to it, and else refused."""

    def __init__(self, *, or_stdout: bool = False, or_folder: bool = False) -> None:
        super().__init__(path_type=Path, dir_okay=or_folder, allow_dash=True)
        self._or_stdout = or_stdout

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert to a path; to None, which stands for standard output."""
        if str(value) != "-":
            return super().convert(value, param, ctx)
        if not self._or_stdout:
            self.fail("this is written to a file: name one (./- is a file called -)", param, ctx)
        return None
