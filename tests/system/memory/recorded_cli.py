"""Runs the real command in a home of its own, and keeps every byte that it ever wrote."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solekey.audit.leaks import read_places

RECORDER = Path(__file__).with_name("disk_recorder")


@dataclass(frozen=True)
class RecordedCli:
    """``home`` holds every folder that a program may choose to write to; ``wanted`` what was asked for."""

    base: Path
    url: str
    ca: Path

    @property
    def home(self) -> Path:
        return self.base / "home"

    @property
    def record(self) -> Path:
        return self.base / "record"

    @property
    def wanted(self) -> Path:
        return self.base / "wanted"

    def make(self) -> "RecordedCli":
        for folder in ("tmp", "config", "data", "cache", "state", "runtime", "work"):
            (self.home / folder).mkdir(parents=True)
        for folder in (self.wanted, self.record / "wanted"):
            folder.mkdir(parents=True)
        (self.home / "runtime").chmod(0o700)
        return self

    def profile(self, name: str) -> Path:
        return self.home / "data" / name

    def run(self, *arguments: str, planted: str = "", fails: bool = False, **secrets: str) -> str:
        """Run a command; secrets come from its environment. Returns what it printed."""
        done = subprocess.run(
            [Path(sys.executable).with_name("solekey"), *arguments],
            cwd=self.home / "work",
            env={**self._environment(), "PLANTED": planted, **secrets},
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert fails == bool(done.returncode), done.stderr.decode()[-2000:]
        return done.stdout.decode(errors="replace")

    def run_json(self, *arguments: str, **secrets: str) -> dict[str, Any]:
        """Run a command and return its last document."""
        document: dict[str, Any] = json.loads(self.run(*arguments, "--json", **secrets).splitlines()[-1])
        return document

    def _environment(self) -> dict[str, str]:
        paths = [str(RECORDER), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONDONTWRITEBYTECODE": "1",
            "RECORD_FOLDER": str(self.record),
            "WANTED_FOLDER": str(self.wanted),
            "HOME": str(self.home),
            "TMPDIR": str(self.home / "tmp"),
            **{
                f"XDG_{kind.upper()}_{'DIR' if kind == 'runtime' else 'HOME'}": str(self.home / kind)
                for kind in ("config", "data", "cache", "state", "runtime")
            },
            "SOLEKEY_SERVER": self.url,
            "SOLEKEY_CA": str(self.ca),
        }

    def log(self) -> list[tuple[str, str]]:
        """What the recorder says of all processes: (kind, what)."""
        lines = [line for log in self.record.glob("log-*") for line in log.read_text().splitlines()]
        return [(kind, what) for kind, _, what in (line.partition("\t") for line in lines)]

    def wanted_places(self) -> list[tuple[str, bytes]]:
        """All that was written where the user asked for plaintext."""
        return list(read_places([self.wanted, self.record / "wanted"]))

    def places(self) -> list[tuple[str, bytes]]:
        """All that was ever written where nobody asked for plaintext, and the names of the files."""
        files = [file for file in self.record.iterdir() if file.is_file()]
        found = list(read_places([self.home, *files]))
        return [*found, ("names of files", "\n".join(what for _, what in self.log()).encode())]
