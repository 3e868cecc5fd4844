"""The bus is cut: who cannot hear of revocations refuses everybody, within its bound, and recovers by itself.

A broker that is killed, and one that hangs with its connections open. The vault's bound is configured, the
others have the default. A phone is revoked while nobody can hear of it.
"""

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest

from solekey_protocol.services import Service
from tests.support.deployment.broker import Broker
from tests.support.people.household import SERVICES, Device, Household
from tests.system.revocation.town import Town

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.timeout(240),  # counts the start of the services for the first test
]

_log = logging.getLogger(__name__)

REFUSED = {"401 session_ended", "403 device_revoked"}
STALE = "503 trust_stale"
WATCHED_S = 1.5  # how long after its bound a service is asked on
RECOVERY_S = 45
PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, and when its question was sent."""

    sent_s: float
    told: str


def watch(device: Device, service: Service, until_s: float) -> list[Said]:
    """Ask again and again up to a time."""
    said = []
    while (sent_s := time.monotonic()) < until_s:
        said.append(Said(sent_s, device.ask(service).told))
        time.sleep(PAUSE_S)
    return said


def wait_until_served(device: Device, service: Service) -> float:
    """Ask until the service has recovered, and tell when that was."""
    deadline_s = time.monotonic() + RECOVERY_S
    while (answer := device.ask(service)).told != "200":
        assert answer.status == 503, answer
        assert time.monotonic() < deadline_s, answer
        time.sleep(PAUSE_S)
    return answer.at_s


@pytest.fixture
def home(town: Town) -> Iterator[Household]:
    household = Household(town.site)
    household.sign_up()
    yield household
    household.close()


@pytest.mark.parametrize(
    ("cut", "mend"), [(Broker.freeze, Broker.thaw), (Broker.kill, Broker.start)], ids=["hangs", "is killed"]
)
def test_every_service_refuses_within_its_bound_and_recovers(
    town: Town,
    home: Household,
    cut: Callable[[Broker], None],
    mend: Callable[[Broker], None],
) -> None:
    phone, tablet = home.add_phone("phone"), home.add_phone("tablet")
    for device in (phone, tablet):
        for service in SERVICES:
            assert device.ask_until_known(service).told == "200"

    def watch_both(service: Service) -> tuple[list[Said], list[Said]]:
        until_s = cut_s + town.bounds_s[service] + WATCHED_S
        with ThreadPoolExecutor(1) as beside:
            lost = beside.submit(watch, phone, service, until_s)
            kept = watch(tablet, service, until_s)
            return lost.result(), kept

    with ThreadPoolExecutor(len(SERVICES)) as pool:
        cut(town.broker)
        cut_s = time.monotonic()
        try:
            home.revoke(phone)  # acknowledged by the devices service, which needs no bus for that
            seen = dict(zip(SERVICES, pool.map(watch_both, SERVICES), strict=True))
        finally:
            mend(town.broker)
        mended_s = time.monotonic()

        for service, (lost, kept) in seen.items():
            bound_s = cut_s + town.bounds_s[service]
            assert {one.told for one in kept} == {"200", STALE}, service  # served, then refused
            assert {one.told for one in kept if one.sent_s > bound_s} == {STALE}, service
            assert not [one for one in lost if one.sent_s > bound_s and one.told == "200"], service
            allowed = REFUSED if service is Service.DEVICES else {"200"}
            assert {one.told for one in lost} <= allowed | {STALE}, service

        # Nobody restarts anything. Whoever serves the tablet again has heard that the phone is revoked.
        others = [replace(tablet, lines={}), replace(phone, lines={})]
        served_s = list(pool.map(lambda service: wait_until_served(others[0], service), SERVICES))
        for service in SERVICES:
            assert others[1].ask_until_known(service).told in REFUSED, service
        for device in others:
            device.hang_up()
    _log.info("served again %s s after the bus was back", [round(at_s - mended_s, 1) for at_s in served_s])
