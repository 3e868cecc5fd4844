"""What a profile says, read without what makes a prompt late; and what flags say against it.

A flag that contradicts a founded profile is refused, never ignored, and the message names the command that
does what was meant. Spec: authentication.md §3.3.
"""

import json
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import click
from click.core import ParameterSource

from solekey.cli.state import Cli
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import AccountId


@dataclass(frozen=True, slots=True)
class KnownProfile:
    """A profile on disk, as far as it says; a damaged one is reported when it is opened.

    Attributes:
        path: its folder.
        origin, username, device_name: see `solekey.profile.profile.ProfileDetails`; empty if it does not say.
        authority: the pinned authority's PEM file as bytes.
    """

    path: Path
    origin: str
    username: str
    device_name: str
    authority: bytes | None

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read it; None where there is no profile."""
        try:
            members = json.loads((path / "profile.json").read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            members = {}
        found = {key: str(value) for key, value in members.items()} if isinstance(members, dict) else {}
        try:
            authority = (path / "server-ca.pem").read_bytes()
        except OSError:
            authority = None
        return cls(
            path, found.get("origin", ""), found.get("username", ""), found.get("device_name", ""), authority
        )

    def verify_username(self, username: str | None) -> None:
        """Verify that a user name that was given is this profile's. Raises ProfileExistsError."""
        if username is None or not self.username or fold_name(username) == fold_name(self.username):
            return
        from solekey.errors import ProfileExistsError

        raise ProfileExistsError(
            f"the user name {username} ({_name_source('username')}) is not the one of this profile, which is "
            f"{self.username}'s: log in without it, or name another profile for {username} (--profile NAME)"
        )

    def verify_device_name(self, name: str | None) -> None:
        """Verify that a name on the command line is the one that the device has. Raises
        ProfileExistsError.
        """
        if name in (None, self.device_name) or not is_on_command_line("device_name"):
            return
        from solekey.errors import ProfileExistsError

        raise ProfileExistsError(
            f"this device is called {self.device_name}, and a device keeps its name: log in without "
            "--device-name, or make a new device in a profile of its own (--profile NAME)"
        )

    def find_other_server(self, server: str | None, ca: Path | None) -> bool:
        """Find out whether flags name another server, or another authority, than what is pinned.

        Raises:
            ProfileExistsError: the environment does; it moves no profile.
        """
        other_server = server is not None and _fold_origin(server) != _fold_origin(self.origin)
        other_ca = ca is not None and _read(ca) != self.authority
        moved = (other_server and self.origin != "", other_ca and self.origin != "")
        for is_other, name, variable in zip(
            moved, ("server", "ca"), ("SOLEKEY_SERVER", "SOLEKEY_CA"), strict=True
        ):
            if is_other and not is_on_command_line(name):
                from solekey.errors import ProfileExistsError

                raise ProfileExistsError(
                    f"{variable} is not what this profile has pinned for {self.origin}: unset it; or, if the "
                    f"server has moved or has a new authority, say so: solekey login --{name} …"
                )
        return any(moved)


@dataclass(frozen=True, slots=True)
class DraftNames:
    """Server and user name of a sign-up that was begun here; empty if there is none."""

    origin: str = ""
    username: str = ""


def read_draft(path: Path) -> DraftNames:
    """Read whose sign-up was begun in a folder. See `solekey.profile.draft`."""
    try:
        members = json.loads((path / "signup.json").read_bytes())
        return DraftNames(str(members["origin"]), str(members["username"]))
    except (OSError, ValueError, KeyError, TypeError):
        return DraftNames()


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What a profile says of the stored user key; None where it says nothing."""

    spec: str | None
    account: AccountId | None


def read_stored_key(profile: Path) -> StoredKey:
    """Read where the user key is kept, without what makes a prompt late. A bad profile is reported later."""
    try:
        members = json.loads((profile / "profile.json").read_bytes())
        spec, account = members.get("user_key_from"), members.get("account")
        return StoredKey(str(spec) if spec else None, AccountId(account) if account else None)
    except (OSError, ValueError, AttributeError, TypeError, MalformedError):
        return StoredKey(None, None)


def find_profile(state: Cli) -> KnownProfile | None:
    """Find the profile of this invocation; None where there is none yet."""
    return KnownProfile.read(state.profile)


def is_on_command_line(name: str) -> bool:
    """Tell whether a parameter stands on the command line, not in the environment."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def fold_name(username: str) -> str:
    """Fold a user name as the server does (authentication.md §2.1)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", username).casefold()).strip()


def _fold_origin(origin: str) -> str:
    return origin.strip().lower().rstrip("/")


def _read(ca: Path) -> bytes | None:
    return ca.read_bytes() if str(ca) != "system" else None


def _name_source(name: str) -> str:
    return f"--{name}" if is_on_command_line(name) else f"SOLEKEY_{name.upper()}"
