"""A user at a terminal: the program ``solekey`` on a pseudo-terminal, in a folder of the user's own."""

import json
import os
import sys
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pyotp

from tests.support.terminal import Terminal

SOLEKEY = Path(sys.executable).parent / "solekey"
PASSWORD = "correct horse battery staple"
_names = count(1)


@dataclass
class TerminalUser:
    """Somebody with a terminal, a folder, and the server's address; devices are folders in it."""

    folder: Path
    url: str
    ca: Path
    username: str = field(default_factory=lambda: f"newcomer{next(_names)}")
    settings: dict[str, str] = field(default_factory=dict)
    secret: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The environment of this user's commands: no settings but those given."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.settings}

    def sit_down(self, *arguments: object) -> Terminal:
        return Terminal(SOLEKEY, *map(str, arguments), folder=self.folder, environment=self.environment)

    def run(self, *arguments: object) -> tuple[int, str]:
        with self.sit_down(*arguments) as terminal:
            code = terminal.wait()
        return code, terminal.said

    def read_secret(self, said: str) -> str:
        """Read the authenticator's secret from the screen."""
        self.secret = said.split("authenticator app: ")[1].split()[0]
        return self.secret

    def code(self) -> str:
        return pyotp.TOTP(self.secret).now()

    def next_code(self) -> str:
        """A code of the next step, which servers take a step early."""
        return pyotp.TOTP(self.secret).at(int(time.time()) + 30)

    def sign_up(self) -> None:
        code, said = self.run(
            "signup", "--server", self.url, "--ca", self.ca, "--username", self.username,
            "--password", PASSWORD, "--code", "auto", "--accept-risk", "--kit", "kit.pdf",
            "--profile", "./laptop",
        )  # fmt: skip
        assert code == 0, said
        self.read_secret(said)

    def profile(self, name: str) -> dict[str, object] | None:
        path = self.folder / name / "profile.json"
        return json.loads(path.read_bytes()) if path.exists() else None
