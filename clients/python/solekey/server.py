"""A server, as a profile pins it: its address, and the only authority that may certify it.

Spec: conventions.md §7.1.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from solekey.errors import InsecureServerError
from solekey.files.any_path import AnyPath

_ORIGIN: Final = re.compile(r"[!-~]{9,300}", re.ASCII)  # what can stand in a request and in a certificate
_NETLOC: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(:[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Server:
    """A server as it is pinned.

    Attributes:
        origin: ``https://host[:port]``, without a path.
        ca_file: the only authority that may certify it; None trusts the system's authorities.

    Raises:
        InsecureServerError: not https, or more than an origin.
    """

    origin: str
    ca_file: AnyPath | None = None

    def __post_init__(self) -> None:
        if not _ORIGIN.fullmatch(self.origin):
            raise InsecureServerError(f"{self.origin!r} is not an https:// address")
        try:
            parts = urlsplit(self.origin)
            port = parts.port
        except ValueError as error:
            raise InsecureServerError(f"{self.origin!r} is not an https:// address: {error}") from error
        if parts.scheme != "https" or not parts.hostname or port == 0:
            raise InsecureServerError(f"{self.origin!r} is not an https:// address")
        if (
            parts.path not in {"", "/"}
            or parts.query
            or parts.fragment
            or not _NETLOC.fullmatch(parts.netloc)
        ):
            raise InsecureServerError(f"{self.origin!r} is more than https://host:port")
        object.__setattr__(self, "origin", f"https://{parts.netloc.lower()}")

    @property
    def authority(self) -> Path | None:
        """The file of the only authority that may certify it."""
        return Path(self.ca_file) if self.ca_file is not None else None
