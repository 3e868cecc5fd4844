"""The positive controls: leaks that are planted on purpose, one in every channel, each with its own secret.

A server cannot leak what it never gets, so the client of the controls is careless, too: it sends the secrets
to the services, in a field that is masked, and three of them unmasked. What the services do with theirs is in
`planted/sitecustomize.py`. A leak that is not found where it was planted fails the evidence.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import httpx

from evidence.channels import Channel
from evidence.search import SearchResult

FIELD: Final = "Solekey-Planted"


@dataclass(frozen=True, slots=True)
class Plant:
    """One planted leak.

    Attributes:
        name: what leaks; for a service's leak its name in ``planted/sitecustomize.py``.
        channel: where it has to be found.
        secret: the name of what is leaked.
        how: how it is written.
        request: what the client itself does to a request; None: a service leaks it.
    """

    name: str
    channel: Channel
    secret: str
    how: str
    request: Callable[[bytes, dict[str, str]], str | None] | None = None


def _send_user_key(secret: bytes, fields: dict[str, str]) -> None:
    fields["Solekey-Trace"] = base64.urlsafe_b64encode(b"\1\2" + secret).decode()


def _send_phrase(secret: bytes, fields: dict[str, str]) -> None:
    fields["Solekey-Debug"] = base64.b64encode(gzip.compress(secret)).decode()


def _ask_by_name(secret: bytes, _: dict[str, str]) -> str:
    return f"/v1/vault/{quote(secret)}"


PLANTS: Final = (
    Plant("field of a request", Channel.REQUESTS, "user key 1", "base64url behind 2 bytes", _send_user_key),
    Plant("another field of a request", Channel.REQUESTS, "phrase 1", "gzip in base64", _send_phrase),
    Plant(
        "path of a request", Channel.OTHER_LOGS, "tag 1 of item 1", "as it is, in nginx's log", _ask_by_name
    ),
    Plant("field of an answer", Channel.RESPONSES, "software device key 1", "base64url behind 2 bytes"),
    Plant("database row", Channel.DATABASE_ROWS, "content of item 1 at 0", "zlib"),
    Plant("deleted database row", Channel.DATABASE_FILES, "name of item 2", "UTF-16"),
    Plant("record on the bus", Channel.BUS, "data key 1", "base64, in a record's header"),
    Plant("file in the object store", Channel.OBJECTS, "content of item 7 at 0", "xz"),
    Plant("line of the debug log", Channel.SERVICE_LOGS, "account signing key 1", "hexadecimal with colons"),
    Plant("hash in the log", Channel.SERVICE_LOGS, "wrong password", "SHA-256"),
    Plant("health answer", Channel.HEALTH, "login key 1", "base32"),
    Plant("label of a metric", Channel.METRICS, "tag 1 of item 2", "hexadecimal"),
    Plant("temporary file", Channel.TEMPORARY, "attribute place of item 1", "quoted-printable"),
    Plant("deleted file", Channel.DELETED, "attribute place of item 2", "bz2"),
    Plant("environment of a program", Channel.ENVIRONMENT, "recovery share of phrase 1 1", "as it is"),
    Plant("text in memory, Latin-1", Channel.MEMORY_DURING, "password", "as Python keeps it"),
    Plant("text in memory, UTF-16", Channel.MEMORY_AFTER, "new password", "as Python keeps it"),
    Plant("numbers in memory", Channel.CORE, "wrapping key 1", "decimal numbers"),
)


def mask(planted: Mapping[str, str]) -> str:
    """Write secrets so that they are no leak themselves; ``planted/sitecustomize.py`` undoes it."""
    plain = json.dumps(dict(planted)).encode()
    stream = hashlib.shake_256(b"solekey planted").digest(len(plain))
    return base64.b64encode(bytes(a ^ b for a, b in zip(plain, stream, strict=True))).decode()


@contextmanager
def careless_client(
    known: Callable[[], Mapping[str, bytes]], plants: tuple[Plant, ...] = PLANTS
) -> Iterator[None]:
    """Have every request of the client carry what is planted, as far as it is known yet.

    Raises:
        RuntimeError: no request passed here: nothing was planted, whatever a search then finds.
    """
    send = httpx.HTTPTransport.handle_request
    asked: set[str] = set()
    passed = 0

    def careless(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        nonlocal passed
        passed += 1
        now = known()
        fields: dict[str, str] = {}
        for_services: dict[str, str] = {}
        for plant in plants:
            secret = now.get(plant.secret)
            if secret is None:
                continue
            if plant.request is None:
                for_services[plant.name] = secret.hex()
            elif (path := plant.request(secret, fields)) and plant.name not in asked:
                asked.add(plant.name)
                asking = httpx.Request("GET", request.url.join(path), extensions=request.extensions)
                answer = send(self, asking)
                answer.read()
                answer.close()
        request.headers.update({**fields, FIELD: mask(for_services)})
        return send(self, request)

    httpx.HTTPTransport.handle_request = careless  # type: ignore[method-assign]  # the leak that is planted
    try:
        yield
    finally:
        httpx.HTTPTransport.handle_request = send  # type: ignore[method-assign]  # and taken away
    if not passed:
        raise RuntimeError("the client sent no request through httpx.HTTPTransport: nothing was planted")


@dataclass(frozen=True, slots=True)
class Control:
    """How one planted leak was found: the spellings in its own channel, and all channels it was seen in."""

    plant: Plant
    spellings: tuple[str, ...]
    channels: tuple[Channel, ...]

    @property
    def caught(self) -> bool:
        """Whether it was found where it was planted."""
        return bool(self.spellings)


def judge(plants: tuple[Plant, ...], result: SearchResult) -> list[Control]:
    """Look for each planted leak in what was found."""
    controls = []
    for plant in plants:
        found = result.find(plant.secret)
        spelt = {each.spelling for each in found if each.channel is plant.channel}
        spellings = sorted(spelt, key=lambda spelling: (len(spelling), spelling))
        channels = sorted({each.channel for each in found})
        controls.append(Control(plant, tuple(spellings), tuple(channels)))
    return controls
