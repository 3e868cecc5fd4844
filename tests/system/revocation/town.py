"""The deployed services on real Kafka, for the tests of a folder: processes that a test may cut off."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
from sqlalchemy.engine import URL

from solekey_protocol.services import Service
from tests.support.deployment.broker import Broker
from tests.support.deployment.platform import run_services
from tests.support.engines.engine import required
from tests.support.engines.ports import find_free_ports
from tests.support.people.household import SERVICES, Site

VAULT_FRESHNESS_S = 8.0  # configured; the others have the default
FRESHNESS_S = 5.0


@dataclass(frozen=True, slots=True)
class Town:
    """The running services, and how long each may go without news."""

    site: Site
    broker: Broker
    bounds_s: Mapping[Service, float]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, postgres_server: URL) -> Iterator[Town]:
    (port,) = find_free_ports(1)
    settings = {"vault": {"SOLEKEY_FRESHNESS_S": str(VAULT_FRESHNESS_S)}}
    running = run_services(tmp_path_factory.mktemp("town"), postgres_server, port, settings)
    with required(running) as (broker, _, services):
        addresses = {service: services[service.value].address for service in SERVICES}
        bounds_s = dict.fromkeys(SERVICES, FRESHNESS_S) | {Service.VAULT: VAULT_FRESHNESS_S}
        yield Town(Site(f"https://localhost:{port}", addresses), broker, bounds_s)
