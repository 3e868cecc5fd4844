"""SoftHSM2, a real PKCS#11 module in software (Debian's `softhsm2`); its tokens lie in a folder of tests."""

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.engines.engine import EngineUnavailableError, give_up

PIN = "271828"
SO_PIN = "31415926"
_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


@dataclass(frozen=True)
class SoftHsm:
    """SoftHSM2 with a folder of its own for tokens."""

    module: str
    folder: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def make_token(self, label: str | None = None) -> "Token":
        """Initialise a token, and have the module see it."""
        label = label or f"test {next(self.numbers)}"
        before = set(self._tokens.iterdir())
        arguments = ["--init-token", "--free", "--label", label, "--so-pin", SO_PIN, "--pin", PIN]
        subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True)
        (made,) = set(self._tokens.iterdir()) - before
        self.reload()
        return Token(self, label, made)

    def reload(self) -> None:
        """Have the module look at the folder again; SoftHSM does so only when it is initialised."""
        import pkcs11

        from solekey.providers import close_tokens

        close_tokens()
        pkcs11.lib(self.module).reinitialize()

    @contextmanager
    def without(self, *mechanisms: str) -> Iterator[None]:
        """Be a module that does not have these mechanisms."""
        listed = ",".join(("CKM_MD5", *mechanisms))  # SoftHSM 2.6 passes over the first
        settings = self.folder / "poorer.conf"
        settings.write_text(f"{self.settings.read_text()}slots.mechanisms = -{listed}\n")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SOFTHSM2_CONF", str(settings))
            self.reload()
            yield
        self.reload()

    @property
    def settings(self) -> Path:
        """The configuration file."""
        return self.folder / "softhsm2.conf"

    @property
    def _tokens(self) -> Path:
        return self.folder / "tokens"


@dataclass(frozen=True)
class Token:
    """One token, as a person would name it."""

    hsm: SoftHsm
    label: str
    folder: Path

    def spec(self, object_: str = "test", **query: str) -> str:
        """A provider spec that means this token."""
        members = {"module-path": self.hsm.module, **query}
        asked = "&".join(f"{name}={quote(value, safe='/:')}" for name, value in members.items())
        return f"pkcs11:token={quote(self.label)};object={object_}?{asked}"

    def open(self):
        """A session of our own, as somebody with the PIN has it."""
        import pkcs11

        from solekey.providers import close_tokens

        close_tokens()  # a login counts for the whole process
        return pkcs11.lib(self.hsm.module).get_token(token_label=self.label).open(rw=True, user_pin=PIN)

    def remove(self) -> None:
        """Pull it out."""
        shutil.rmtree(self.folder)


def find_module() -> str:
    """Find the module and its tool. Raises EngineUnavailableError."""
    named = os.environ.get("SOLEKEY_TEST_SOFTHSM")
    found = next((path for path in (named, *_MODULES) if path and Path(path).is_file()), None)
    if found is None or shutil.which("softhsm2-util") is None:
        raise EngineUnavailableError(
            "no SoftHSM2: install Debian's softhsm2, or set SOLEKEY_TEST_SOFTHSM to libsofthsm2.so"
        )
    return str(Path(found).resolve())  # one name, or it would be loaded twice


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    """Give SoftHSM2 with no tokens in it."""
    try:
        module = find_module()
    except EngineUnavailableError as error:
        give_up(error)
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    hsm = SoftHsm(module, folder)
    hsm.settings.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(hsm.settings))
        yield hsm
        from solekey.providers import close_tokens

        close_tokens()


@pytest.fixture
def token(softhsm: SoftHsm) -> Iterator[Token]:
    """Give a token that no other test uses."""
    made = softhsm.make_token()
    yield made
    if made.folder.exists():
        made.remove()
    softhsm.reload()
