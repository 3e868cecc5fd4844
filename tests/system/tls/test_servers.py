"""Both fronts that clients meet, looked at from outside: the embedded platform, and the proxy of deploy/."""

from collections.abc import Iterator

import pytest

from tests.support.deployment.compose import SERVICES
from tests.support.deployment.nginx import run_proxy
from tests.support.engines.engine import required
from tests.support.engines.ports import find_free_ports
from tests.support.platform_process import PlatformProcess
from tests.system.tls.inspection import GOOD_SUITES, Report, find_problems, inspect

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    platform = PlatformProcess(tmp_path_factory.mktemp("platform") / "data")
    platform.start()
    try:
        yield inspect("127.0.0.1", platform.port, platform.ca, "/v1/auth/health")
    finally:
        platform.stop()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    nobody = {
        name: f"127.0.0.1:{port}" for name, port in zip(SERVICES, find_free_ports(len(SERVICES)), strict=True)
    }
    with required(run_proxy(tmp_path_factory.mktemp("proxy"), nobody)) as running:
        yield inspect("localhost", running.port, running.ca_file)


@pytest.fixture(params=["embedded", "proxy"])
def report(request: pytest.FixtureRequest) -> Report:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def test_nothing_is_wrong(report: Report) -> None:
    assert find_problems(report) == []


def test_tls_1_3_with_its_main_suites_alone(report: Report) -> None:
    assert report.versions == {"TLSv1.3"}
    assert report.suites <= GOOD_SUITES
    assert "TLS_AES_256_GCM_SHA384" in report.suites


def test_plain_http_never_gets_content(report: Report) -> None:
    """The embedded platform closes, nginx says 400 itself. Neither redirects: no client would follow."""
    assert report.plain == b"" or report.plain.startswith(b"HTTP/1.1 400 ")
    assert not report.plain.endswith(b"ok\n")
