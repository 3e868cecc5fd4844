"""The services of the platform, one entry each: everything that must know them all derives from here.

Topics, audiences of tokens, rights on the bus, passwords, certificates and the tests read ``SERVICES``. Where
a file cannot (docker-compose.yml, pyproject.toml), a test compares it with the registry and says what lacks.
How to add a service: docs/how-to-add-a-service.md. Decision: docs/decisions/0066. Spec: events.md §1.

This module imports the standard library alone, so that deploy/make_secrets.py reads it on a bare interpreter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Stream(StrEnum):
    """An event stream: each account has one of each kind, and one service writes it."""

    AUTH = "auth"
    DEVICES = "devices"
    VAULT = "vault"
    ROTATION = "rotation"


V1_STREAMS: Final = (Stream.AUTH, Stream.DEVICES, Stream.VAULT, Stream.ROTATION)
"""The streams whose heads a v1 statement may claim, and a client follows. Closed for ever: signed schemas
enumerate these names, so a later member of ``Stream`` never joins them.
"""


class Service(StrEnum):
    """A service: who answers under ``/v1/<service>/``, is a token's audience, and sends heartbeats."""

    AUTH = "auth"
    DEVICES = "devices"
    VAULT = "vault"
    ROTATION = "rotation"


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """What the rest of the platform knows of a service.

    Attributes:
        service: its name: of its package ``solekey_<name>``, its paths, its database role and its bus user.
        stream: the stream that it writes; None for a service that publishes no events.
        follows: the streams that it reads from the bus.
        summary: what its events are about, for the description of its topic.
        takes_tokens: whether sessions hold an access token for it.
    """

    service: Service
    stream: Stream | None
    follows: tuple[Stream, ...]
    summary: str
    takes_tokens: bool = True

    @property
    def topic(self) -> str | None:
        """The topic that its events are published to."""
        return None if self.stream is None else derive_topic(self.stream)

    @property
    def package(self) -> str:
        """Its Python package."""
        return f"solekey_{self.service}"


def derive_topic(stream: Stream) -> str:
    """Derive the name of the topic that carries a stream."""
    return f"solekey.{stream}.v1"


SERVICES: Final[Mapping[Service, ServiceEntry]] = {
    entry.service: entry
    for entry in (
        ServiceEntry(
            Service.AUTH,
            Stream.AUTH,
            follows=(Stream.DEVICES,),
            summary="Accounts, logins and sessions.",
        ),
        ServiceEntry(
            Service.DEVICES,
            Stream.DEVICES,
            follows=(Stream.AUTH, Stream.VAULT, Stream.ROTATION),
            summary="Who may speak for an account.",
        ),
        ServiceEntry(
            Service.VAULT,
            Stream.VAULT,
            follows=(Stream.AUTH, Stream.DEVICES, Stream.ROTATION),
            summary="Wraps of data keys, and commits.",
        ),
        ServiceEntry(
            Service.ROTATION,
            Stream.ROTATION,
            follows=(Stream.AUTH, Stream.DEVICES, Stream.VAULT),
            summary="Policies and the steps of rotations.",
        ),
    )
}
"""Every service, in the order in which they are listed and started."""

TOPICS: Final[Mapping[Stream, str]] = {stream: derive_topic(stream) for stream in Stream}
"""The topic that carries each stream."""

HEARTBEAT_TOPIC: Final = "solekey.heartbeat.v1"
"""Heartbeats of the services; key = stream. Not part of the log: one partition, kept for an hour."""

WRITERS: Final[Mapping[Stream, Service]] = {
    entry.stream: entry.service for entry in SERVICES.values() if entry.stream is not None
}
"""The service that writes each stream."""

TOKEN_AUDIENCES: Final = tuple(entry.service for entry in SERVICES.values() if entry.takes_tokens)
"""The services that a session holds an access token for."""
