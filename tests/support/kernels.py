"""Services without a web framework, for tests: kernels on real databases and a real embedded bus.

A ``Rig`` holds the kernels of one test and carries their events to each other when told to (``deliver``), so
that a test decides who knows what.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from solekey_eventlog.bus import Bus, Record, derive_topics, open_bus
from solekey_eventlog.clock import ManualClock
from solekey_eventlog.secret import Secret
from solekey_protocol.event import Event, encode_event
from solekey_protocol.events import Body, Stream, auth
from solekey_protocol.heartbeat import Heartbeat, encode_heartbeat
from solekey_protocol.ids import AccountId, Timestamp
from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS, Service
from solekey_protocol.statements import EMPTY_HEAD, Head, SignedStatement
from solekey_service.build import build_service, start_service
from solekey_service.config import ServiceConfig
from solekey_service.definition import ApiT, ServiceDefinition
from solekey_service.kernel import Kernel
from tests.support.actors import Actor
from tests.support.durability import commit_without_waiting, write_without_waiting
from tests.support.engines.sqlite import copy_migrated, name_database

AUTH_TOPIC = TOPICS[Stream.AUTH]

NewUrl = Callable[[ServiceDefinition[Any, Any]], str]
"""The URL of a fresh database, for a service."""


@dataclass
class Rig:
    """The kernels of a test, a bus, and a clock that stands still."""

    bus: Bus
    new_url: NewUrl
    clock: ManualClock = field(default_factory=ManualClock)
    kernels: dict[Stream, Kernel[Any]] = field(default_factory=dict)
    _auth_heads: dict[AccountId, Head] = field(default_factory=dict)

    def build(self, definition: ServiceDefinition[Any, ApiT], **settings: Any) -> ApiT:
        """Start a service on a fresh database; return its Api."""
        config = definition.config(
            database_url=Secret(self.new_url(definition)),
            bus_url="embedded:////unused",
            origin="https://solekey.test",
            **settings,
        )
        api = self.start(definition, config)
        self.kernels[definition.stream] = api.kernel
        return api

    def start(self, definition: ServiceDefinition[Any, ApiT], config: ServiceConfig) -> ApiT:
        """Start one more process of a service; the rig's own stays the one that it delivers to."""
        sqlite = config.database_url.reveal().startswith("sqlite:")
        if sqlite:
            copy_migrated(config.database_url.reveal(), definition.package)
        api = build_service(definition, config, self.bus, clock=self.clock)
        if sqlite:
            commit_without_waiting(api.kernel.engine)
        return start_service(definition, api)

    def deliver(self, *to: Stream) -> None:
        """Publish everything and apply it, at all services or only at some, until nothing new follows."""
        while sum([kernel.publisher.publish_pending() for kernel in self.kernels.values()]):
            for stream in to or tuple(self.kernels):
                kernel = self.kernels[stream]
                for topic in kernel.topics:
                    for record in self.bus.read(topic):
                        kernel.projector.apply(record)

    def hear(self, stream: Stream) -> None:
        """Let a service hear a sign of life of every service that it follows, made now."""
        kernel = self.kernels[stream]
        for followed in kernel.streams.subscribed:
            beat = Heartbeat(Service(followed.value), Timestamp.from_datetime(self.clock.now()), {})
            kernel.freshness.observe(Record(HEARTBEAT_TOPIC, 0, 0, followed.value, encode_heartbeat(beat)))

    def head(self, stream: Stream, account: AccountId) -> Head:
        """The head of a stream at the service that owns it."""
        with self.kernels[stream].store.read() as uow:
            return uow.head(account)

    def heads(self, account: AccountId, *streams: Stream) -> dict[Stream, Head]:
        """The heads that a well-informed client would claim."""
        return {stream: self.head(stream, account) for stream in streams}

    def events(self, stream: Stream, account: AccountId) -> list[Event]:
        """The events of a stream at the service that owns it."""
        with self.kernels[stream].store.read() as uow:
            return uow.events(account)

    def append(self, signed: SignedStatement) -> Event:
        """Put a statement into its stream without asking the service's domain."""
        with self.kernels[signed.statement.stream].store.begin() as uow:
            account = signed.statement.account
            return uow.append(account, uow.head(account), signed)[0]

    def log_in(self, actor: Actor) -> None:
        """Tell every kernel that the actor's session was opened now, where there is no auth service."""
        until = Timestamp.from_datetime(self.clock.now() + timedelta(hours=12))
        self._tell(actor, auth.SessionOpened(actor.session, actor.device, auth.Factor.TOTP, until))

    def step_up(self, actor: Actor) -> None:
        """Tell every kernel that the actor's user proved a second factor again."""
        self._tell(actor, auth.SessionSteppedUp(actor.session, auth.Factor.TOTP))

    def close_account(self, actor: Actor) -> None:
        """Tell every kernel that the actor's account was closed."""
        self._tell(actor, auth.AccountClosed(1))

    def _tell(self, actor: Actor, fact: Body) -> None:
        after = self._auth_heads.get(actor.account, EMPTY_HEAD)
        now = Timestamp.from_datetime(self.clock.now())
        event = encode_event(fact, account=actor.account, after=after, time=now)
        self._auth_heads[actor.account] = Head(event.seq, event.digest)
        for kernel in self.kernels.values():
            if AUTH_TOPIC in kernel.topics:
                kernel.projector.apply(Record(AUTH_TOPIC, 0, event.seq - 1, actor.account, event.raw))

    def close(self) -> None:
        for kernel in self.kernels.values():
            kernel.close()
        self.bus.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def rig(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """Give a rig on each engine."""
    write_without_waiting(monkeypatch)
    url = f"embedded://{tmp_path / 'bus.db'}"
    bus = open_bus(url)
    bus.create_topics(derive_topics())
    if request.param == "postgres":
        copy = request.getfixturevalue("new_migrated_postgres_url")
        rig = Rig(bus, lambda service: copy(service.package))
    else:
        rig = Rig(bus, lambda service: name_database(tmp_path, service.stream.value))
    yield rig
    rig.close()
