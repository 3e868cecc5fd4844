"""A full disk of Kafka's log under the four services: nothing acknowledged is lost, and they go on.

The broker ends when it cannot write. What is started again with room needs no other care.
"""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from solekey.errors import SolekeyError
from solekey_protocol.limits import MIB
from solekey_protocol.services import SERVICES
from tests.support.engines.engine import required
from tests.support.engines.waiting import wait_until
from tests.support.people.library_user import LibraryUser
from tests.support.small_disk import mount_small_disk
from tests.system.killing.services import DeadlyServices, run_installation

pytestmark = [
    pytest.mark.soak,
    pytest.mark.slow,
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.timeout(600),
]
DISK_BYTES = 512 * MIB
FILES = 20_000


def test_a_full_log_folder_of_kafka_loses_nothing(tmp_path: Path) -> None:
    with required(run_installation()) as (platform, _):
        broker = platform.broker
        broker.stop()
        with mount_small_disk(broker.data, DISK_BYTES, files=FILES) as disk:
            broker.start()
            platform.wait_until_healthy()
            user = LibraryUser(
                SimpleNamespace(url=platform.proxy.origin, ca=platform.proxy.ca_file), tmp_path
            )  # type: ignore[arg-type]  # what it needs of a platform
            user.sign_up().close()
            expected: dict[str, bytes] = {}
            with user.open("laptop") as session, session.unlock(user.key()) as vault:
                vault.put("before", b"1")
                expected["before"] = b"1"
                disk.fill()
                refusal = None
                while refusal is None:
                    name, content = f"item {len(expected)}", os.urandom(20)
                    try:
                        vault.put(name, content)
                    except SolekeyError as error:
                        refusal = error
                    else:
                        expected[name] = content
                assert refusal.code in {"unavailable", "trust_stale"}
                wait_until(lambda: platform.services["vault"].health() is None)
                disk.empty()
                broker.kill()  # what is left of it, as a supervisor finds it
                broker.start()
                platform.wait_until_healthy()
                found = {info.name: vault.get(info.id).content for info in vault.list()}
            assert found.items() >= expected.items()
            assert DeadlyServices.audit_log(platform) == []
            for name in SERVICES:
                said = platform.services[name].log_file.read_text()
                assert "Traceback" not in said
                assert any(
                    "not published, trying again" in line or "the bus cannot be used" in line
                    for line in said.splitlines()
                )
            broker.stop()
        broker.start()  # on what the mount covered: the services end well with a broker alone
