"""A user of the command line: drives the program ``solekey`` through the proxy, one process a command."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.deployment.nginx import Proxy
from tests.support.people.codes import Codes

PROGRAM = Path(sys.executable).with_name("solekey")
_TIMEOUT_S = 120
USAGE = 2
"""The exit code where an answer is missing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command has ended."""

    exit_code: int
    output: str
    errors: str

    def documents(self) -> list[dict[str, Any]]:
        """What ``--json`` printed, one document a line."""
        return [json.loads(line) for line in self.output.splitlines()]

    def error_code(self) -> str:
        """The code of the failure that ``--json`` reported."""
        return str(json.loads(self.errors.splitlines()[-1])["error"]["code"])


def run_solekey(*arguments: str | Path, environ: dict[str, str]) -> Outcome:
    """Run the program with this environment and no other."""
    command = [str(PROGRAM), *map(str, arguments)]
    done = subprocess.run(
        command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=_TIMEOUT_S,
    )  # fmt: skip
    return Outcome(done.returncode, done.stdout, done.stderr)


@dataclass
class CommandUser:
    """What a user knows and holds. Each device is a profile folder."""

    name: str
    folder: Path
    proxy: Proxy
    password: str = "correct horse battery staple"
    account: str = ""
    phrase: str = ""
    codes: Codes = field(default_factory=Codes)
    old_phrases: list[str] = field(default_factory=list)

    def environ(self, device: str) -> dict[str, str]:
        """The environment of a command on a device: where the server is, and the user's secrets."""
        given = {
            "HOME": str(self.folder),
            "SOLEKEY_PROFILE": str(self.folder / device),
            "SOLEKEY_SERVER": self.proxy.origin,
            "SOLEKEY_CA": str(self.proxy.ca_file),
            "SOLEKEY_USERNAME": self.name,
            "SOLEKEY_DEVICE_NAME": device,
            "SOLEKEY_PASSWORD": self.password,
            "SOLEKEY_USER_KEY": self.phrase,
        }
        return {name: value for name, value in given.items() if value}

    def try_(self, device: str, *arguments: str | Path, **environ: str) -> Outcome:
        """Run a command on a device, however it ends."""
        return run_solekey(*arguments, "--json", environ=self.environ(device) | environ)

    def do(self, device: str, *arguments: str | Path, **environ: str) -> dict[str, Any]:
        """Run a command on a device, demand that it succeeds, and return its result."""
        outcome = self.try_(device, *arguments, **environ)
        assert outcome.exit_code == 0, f"{arguments}: {outcome.errors}"
        return outcome.documents()[-1]

    def start(self, device: str, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start a command on a device and leave it running, with its standard input open."""
        command = [str(PROGRAM), *map(str, arguments), "--json"]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, env=self.environ(device), stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )

    def sign_up(self, device: str) -> None:
        """Make the account: the program shows the second factor's secret; run again, the user key."""
        registered = self.try_(device, "signup", "--accept-risk")
        assert registered.exit_code == USAGE, registered.errors  # nobody is there to be asked for the code
        self.codes.secret = registered.documents()[0]["secret"]
        outcome = self.try_(device, "signup", "--code", self.next_code(), "--accept-risk")
        assert outcome.exit_code == 0, outcome.errors
        shown = {document.get("step", "result"): document for document in outcome.documents()}
        self.phrase = shown["user_key"]["user_key"]
        self.account = shown["result"]["account"]

    def make_recovery_codes(self, device: str) -> None:
        """Have recovery codes made on a device: what logins use from now on."""
        self.codes.recovery += self.do(device, "factors", "recovery-codes")["codes"]

    def log_in(self, device: str) -> Outcome:
        """Log in on a device, new or known."""
        return self.try_(device, "login", *self.prove())

    def prove(self) -> tuple[str, str]:
        """What a login is given beside the password: a recovery code where some were made."""
        if self.codes.recovery:
            return "--recovery-code", self.codes.recovery.pop()
        return "--code", self.next_code()

    def next_code(self) -> str:
        """A code that was not used."""
        return self.codes.next()

    def new_phrase(self) -> str:
        """Make the words of a new user key and write them down; they are in force when a command says so."""
        self.old_phrases.append(self.phrase)
        made = run_solekey("user-key", "make", "--json", environ={"HOME": str(self.folder)})
        return str(made.documents()[-1]["user_key"])

    def vouch(self) -> Path:
        """Write how far the user's own device has followed the account: what an auditor is given."""
        exported = self.folder / "heads.json"
        exported.unlink(missing_ok=True)
        self.do("laptop", "heads", "export", exported)
        return exported
