"""Two replicas of the vault behind the proxy, as processes: one that dies or is restarted is not missed.

`test_stuck_member.py` has the control. It starts ten processes and takes long: `make soak-delivery` runs it,
CI does not. Decision: docs/decisions/0137.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import pytest
from sqlalchemy.engine import URL

from solekey_eventlog.bus.topics import DEFAULT_PARTITIONS
from solekey_protocol.ids import compute_digest
from solekey_protocol.partition import derive_partition
from solekey_protocol.services import Service
from tests.support.deployment.replicas import Replicas, run_replicas
from tests.support.engines.engine import required
from tests.support.people.household import Device, Household, Site
from tests.system.delivery.load import Asking, asking, tell, wait_s

pytestmark = [
    pytest.mark.soak,
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.timeout(240),  # counts the start of the services for the first test
]

COUNTS = {Service.AUTH: 1, Service.DEVICES: 1, Service.VAULT: 2}
WATCHED_S = 8.0  # the broker misses a member after 10 s; a feed may be silent for 5 s
PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Village:
    """The platform, and two accounts whose events lie in partitions of different members."""

    replicas: Replicas
    proxy: Site
    survivors: Site
    homes: list[Household]
    clients: list[Device] = field(default_factory=list)

    def client(self, site: Site, number: int = 0) -> Device:
        """A client of its own of an account's laptop: with connections that no other uses."""
        self.clients.append(replace(self.homes[number].laptop, site=site, lines={}))
        return self.clients[-1]


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory, postgres_server: URL) -> Iterator[Village]:
    running = run_replicas(
        tmp_path_factory.mktemp("village"),
        postgres_server,
        counts={service.value: count for service, count in COUNTS.items()},
    )
    with required(running) as replicas:
        origin = replicas.proxy.origin
        through = dict.fromkeys(COUNTS, f"localhost:{replicas.proxy.port}")
        proxy = Site(origin, through, replicas.proxy.make_context())
        survivors = Site(
            origin, {service: replicas.services[service.value][-1].address for service in COUNTS}
        )
        homes = [sign_up_in(half, proxy) for half in range(2)]
        village = Village(replicas, proxy, survivors, homes)
        for number in range(len(homes)):
            for client in (village.client(proxy, number), village.client(survivors, number)):
                assert {client.ask_until_known(service).told for service in COUNTS} == {"200"}
        yield village
        for client in (*village.clients, *(home.laptop for home in homes)):
            client.hang_up()


def sign_up_in(half: int, site: Site) -> Household:
    """Sign up an account whose partition is in one half: a member has the lower half of each topic."""
    while True:
        home = Household(site)
        partition = derive_partition(home.laptop.actor.account, DEFAULT_PARTITIONS)
        if partition * 2 // DEFAULT_PARTITIONS == half:
            home.sign_up()
            return home


def read(service: Service, device: Device) -> str:
    return device.ask(service).told


def refresh(device: Device) -> str:
    """Make an event of the account in auth's stream."""
    answer = device.refresh()
    device.adopt(answer)
    return answer.told


def put(device: Device) -> str:
    body = secrets.token_bytes(100)
    return device.ask(Service.VAULT, "PUT", f"objects/{compute_digest(body)}", body).told


def post(device: Device) -> str:
    digests = [compute_digest(secrets.token_bytes(8))]
    return device.ask(Service.VAULT, "POST", "objects/missing", {"digests": digests}).told


def client_of(village: Village, site: Site, name: str, act: object, number: int = 0) -> Asking:
    return Asking(name, partial(tell, village.client(site, number), act), PAUSE_S)  # type: ignore[arg-type]


def test_a_rolling_restart_refuses_nothing(village: Village) -> None:
    acts = {"GET": partial(read, Service.VAULT), "PUT": put, "POST": post}
    clients = [client_of(village, village.proxy, name, act) for name, act in acts.items()]
    with asking(*clients):
        for replica in village.replicas.services[Service.VAULT]:
            assert replica.stop() == 0, replica.log_file.read_text()[-2000:]
            replica.start()
            replica.wait_until_healthy()
    for client in clients:
        assert set(client.told) <= {"200", "204"}, (client.name, client.failures)
        assert len(client.told) > 5, client.name


def test_a_replica_that_is_killed_is_not_missed(village: Village) -> None:
    direct = client_of(village, village.survivors, "survivor", partial(read, Service.VAULT))
    proxied = client_of(village, village.proxy, "proxied", partial(read, Service.VAULT))
    events = [
        Asking(f"home {number}", partial(refresh, village.client(village.proxy, number)), 0.4)
        for number in range(len(village.homes))
    ]
    with asking(direct, proxied, *events):
        village.replicas.services[Service.VAULT][0].kill()
        wait_s(WATCHED_S)
    assert set(direct.told) == {"200"}, direct.failures
    assert len(direct.told) > 5
    assert proxied.most_in_a_row <= 1, proxied.failures
    assert not [client.failures for client in events if client.failures]
