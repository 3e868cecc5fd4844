"""deploy/mtls.yml: the services serve nobody but who shows a client certificate of the installation.

The auth service of the compose file runs as a process with the override's environment, on SQLite, behind
nginx with both templates. Each refusal has its positive control: the same request with what was missing.
"""

import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from solekey_eventlog.bus import derive_topics, open_bus
from tests.support.deployment.compose import DEPLOY, SERVICES, load_compose, make_installation
from tests.support.deployment.nginx import Proxy, run_proxy
from tests.support.engines.engine import required
from tests.support.engines.ports import find_free_ports
from tests.support.engines.waiting import wait_until
from tests.support.repository import ROOT

pytestmark = pytest.mark.slow  # real processes and seconds of waiting

OVERRIDE = DEPLOY / "mtls.yml"


@dataclass(frozen=True, slots=True)
class Backend:
    """The auth service with client certificates, and a proxy that has one."""

    port: int
    secrets: Path
    proxy: Proxy

    def make_context(self, client: Path | None = None) -> ssl.SSLContext:
        """Trust the installation's authority, and show a certificate if one is given."""
        context = ssl.create_default_context(cafile=self.secrets / "ca-cert.pem")
        if client is not None:
            context.load_cert_chain(client)
        return context

    def get(self, client: Path | None) -> httpx.Response:
        """Ask the service itself, past the proxy."""
        with httpx.Client(verify=self.make_context(client), trust_env=False) as http:
            return http.get(f"https://localhost:{self.port}/v1/auth/system-events")


def load_override() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(OVERRIDE.read_text())
    return document


def map_environment(folder: Path, environ: dict[str, str], port: int) -> dict[str, str]:
    """Give auth what both files give it, the container's paths and engines replaced by this machine's."""
    written = load_compose(environ)["services"]["auth"]["environment"]
    secrets = folder / "installation" / "secrets"
    files = {"/run/secrets/tls": secrets / "auth-tls.pem", "/run/secrets/ca_cert": secrets / "ca-cert.pem"}
    tls = load_override()["services"]["auth"]["environment"]
    assert set(tls) == {"SOLEKEY_TLS_CERT", "SOLEKEY_TLS_KEY", "SOLEKEY_TLS_CLIENT_CA"}
    return {
        **{name: value for name, value in written.items() if name != "SOLEKEY_BUS_PASSWORD"},
        "PATH": "/usr/bin:/bin",
        "SOLEKEY_LISTEN": f"127.0.0.1:{port}",
        "SOLEKEY_DATABASE_URL": f"sqlite:///{folder}/auth.db",
        "SOLEKEY_BUS_URL": f"embedded://{folder}/bus.db",
        **{name: str(files[path]) for name, path in tls.items()},
    }


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    folder = tmp_path_factory.mktemp("mtls")
    port, proxy_port = find_free_ports(2)
    environ = make_installation(folder / "installation", f"https://localhost:{proxy_port}")
    with open_bus(f"embedded://{folder}/bus.db") as bus:
        bus.create_topics(derive_topics())
    upstreams = dict.fromkeys(SERVICES, f"127.0.0.1:{port}")  # what listens there is auth and no other
    with ExitStack() as stack:
        log = stack.enter_context((folder / "auth.log").open("wb"))
        process = subprocess.Popen(
            [sys.executable, "-m", "solekey_auth"],
            env=map_environment(folder, environ, port),
            stderr=log,
        )
        stack.callback(process.wait, 20)
        stack.callback(process.terminate)
        wait_until(lambda: is_listening(port) or process.poll() is not None)
        proxy = stack.enter_context(required(run_proxy(folder, upstreams, proxy_port, mtls=True)))
        yield Backend(port, folder / "installation" / "secrets", proxy)


def is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def ask_proxy(proxy: Proxy, service: str) -> httpx.Response:
    with httpx.Client(verify=proxy.make_context(), trust_env=False) as http:
        return http.get(f"{proxy.origin}/v1/{service}/system-events")


def test_the_proxy_reaches_the_service(backend: Backend) -> None:
    answer = ask_proxy(backend.proxy, "auth")
    assert answer.status_code == 200
    assert b"signing_key_published" in answer.content
    assert answer.headers.get_list("Strict-Transport-Security") == ["max-age=63072000; includeSubDomains"]


def test_a_server_that_is_certified_for_another_name_gets_nothing(backend: Backend) -> None:
    """What answers at the vault's address shows auth's certificate: one service poses as another."""
    answer = ask_proxy(backend.proxy, "vault")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


@pytest.mark.parametrize("name", ["proxy-client.pem", "health-client.pem"])
def test_who_shows_a_client_certificate_is_served(backend: Backend, name: str) -> None:
    assert backend.get(backend.secrets / name).status_code == 200


@pytest.mark.parametrize("name", [None, "kafka.pem", "vault-tls.pem"], ids=str)
def test_who_shows_none_or_a_server_s_is_refused(backend: Backend, name: str | None) -> None:
    """The broker and the other services have certificates of the same authority, but not to be clients."""
    with pytest.raises(httpx.TransportError):
        backend.get(backend.secrets / name if name else None)


def test_a_client_certificate_of_another_authority_is_refused(backend: Backend, tmp_path: Path) -> None:
    make_installation(tmp_path)
    with pytest.raises(httpx.TransportError):
        backend.get(tmp_path / "secrets" / "proxy-client.pem")


def test_plain_http_is_refused(backend: Backend) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://localhost:{backend.port}/v1/auth/system-events", trust_env=False)


def test_the_health_check_asks_with_its_certificate(backend: Backend) -> None:
    test = load_override()["services"]["auth"]["healthcheck"]["test"]
    kind, program, script, once, then, url, ca, client = test
    assert once == "--once-ready=/tmp/ready"
    assert then == "--then=http://127.0.0.1:9464/live"
    assert (kind, program, script) == ("CMD", "python", "/opt/solekey/healthcheck.py")
    assert (ca, client) == ("/run/secrets/ca_cert", "/run/secrets/health_client")
    command = [sys.executable, DEPLOY / "healthcheck.py", url.replace(":8080/", f":{backend.port}/")]
    files = [backend.secrets / "ca-cert.pem", backend.secrets / "health-client.pem"]
    assert "HTTP Error 503" in ask(*command, *files)  # alone, it hears no other service: unwell, and says so
    assert "HTTP Error" not in ask(*command, files[0], backend.secrets / "kafka.pem")


def ask(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    return done.stderr


def test_the_override_changes_every_service_alike_and_refers_to_what_exists(tmp_path: Path) -> None:
    environ = make_installation(tmp_path)
    compose, override = load_compose(environ), load_override()
    assert set(override["services"]) == {*SERVICES, "proxy"}
    for name in SERVICES:
        changed = override["services"][name]
        assert changed["environment"] == override["services"]["auth"]["environment"]
        assert {"source": f"{name}_tls", "target": "tls"} in changed["secrets"]
        assert f"https://localhost:8080/v1/{name}/health" in changed["healthcheck"]["test"]
        assert compose["services"][name]["secrets"] == ["ca_cert"]  # used by both
    for secret in override["secrets"].values():
        assert (tmp_path / Path(secret["file"]).relative_to("deploy")).is_file()
    proxy = override["services"]["proxy"]
    assert compose["services"]["proxy"]["environment"]["PROXY_SCHEME"] == "http"
    assert proxy["environment"]["PROXY_SCHEME"] == "https"
    for volume in proxy["volumes"]:
        assert (ROOT / volume.partition(":")[0]).is_file()
