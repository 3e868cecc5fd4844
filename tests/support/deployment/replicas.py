"""Runs the compose file's services as ``--scale SERVICE=2`` does: several processes behind one name.

The replicas of a service listen on one port of several loopback addresses, and the proxy looks their name up.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL

from tests.support.deployment.broker import Broker, run_broker
from tests.support.deployment.compose import load_compose
from tests.support.deployment.database import make_database
from tests.support.deployment.names import run_name_server
from tests.support.deployment.nginx import Proxy, run_proxy
from tests.support.deployment.platform import Service, map_environment
from tests.support.engines.ports import find_free_ports

_HOSTS = ("127.0.0.2", "127.0.0.3")


@dataclass(frozen=True, slots=True)
class Replicas:
    """The running platform. ``services`` holds the replicas by the name of their service."""

    broker: Broker
    databases: Mapping[str, URL]
    services: Mapping[str, tuple[Service, ...]]
    proxy: Proxy


@contextmanager
def run_replicas(
    folder: Path,
    postgres: URL,
    counts: Mapping[str, int],
) -> Iterator[Replicas]:
    """Run broker, database, services and the proxy.

    Args:
        folder: for logs and data.
        postgres: a superuser's URL.
        counts: how many replicas each service has that is run.

    Raises:
        EngineUnavailableError: there is no Kafka or no nginx.
    """
    port, *ports = find_free_ports(1 + len(counts) + sum(counts.values()))
    operators = iter(ports[len(counts) :])
    shared = ports[: len(counts)]
    addresses = {
        name: (_HOSTS[:count], free) for (name, count), free in zip(counts.items(), shared, strict=True)
    }
    with ExitStack() as stack:
        broker = stack.enter_context(run_broker(folder, f"https://localhost:{port}"))
        databases = stack.enter_context(make_database(postgres, broker.environ))
        compose = load_compose(broker.environ)["services"]
        services: dict[str, tuple[Service, ...]] = {}
        for name, (hosts, free) in addresses.items():
            replicas = []
            for host in hosts:
                written = compose[name]["environment"]
                own = f"{host}:{free}", f"127.0.0.1:{next(operators)}"
                given = map_environment(written, folder, broker, databases[name], *own)
                its_folder = folder / host
                its_folder.mkdir(exist_ok=True)
                replica = Service(its_folder, name, compose[name], given)
                stack.callback(replica.kill)
                replica.start()
                replicas.append(replica)
            services[name] = tuple(replicas)
        for replica in sum(services.values(), ()):
            replica.wait_until_healthy()
        names = {name: hosts for name, (hosts, _) in addresses.items()}
        resolver = stack.enter_context(run_name_server(names))
        upstreams = {name: f"{name}:{free}" for name, (_, free) in addresses.items()}
        proxy = stack.enter_context(run_proxy(folder, upstreams, port, resolver=resolver))
        yield Replicas(broker, databases, services, proxy)
