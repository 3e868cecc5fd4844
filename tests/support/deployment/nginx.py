"""Runs Debian's nginx with the very template that the proxy container renders."""

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.deployment.compose import DEPLOY, make_installation
from tests.support.engines.engine import EngineUnavailableError
from tests.support.engines.ports import find_free_ports

TEMPLATE = DEPLOY / "proxy" / "solekey.conf.template"
MTLS_TEMPLATE = DEPLOY / "proxy" / "mtls.conf.template"
_READY_TIMEOUT_S = 20
_LOOK_S = 0.05

# What the nginx image puts around a rendered template; only folders and the log differ.
_MAIN = """\
daemon off;
user {user};
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type application/octet-stream;
    include {folder}/conf.d/*.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy."""

    port: int
    ca_file: Path
    log_file: Path
    pid: int = 0
    """The number of the running process; 0: it runs elsewhere."""

    @property
    def origin(self) -> str:
        return f"https://localhost:{self.port}"

    def make_context(self) -> ssl.SSLContext:
        """Make a client's context that trusts the installation's authority and nobody else."""
        return ssl.create_default_context(cafile=self.ca_file)


def find_nginx() -> str:
    """Find nginx. Raises EngineUnavailableError."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise EngineUnavailableError("no nginx: install Debian's package nginx")
    return found


def render(folder: Path, environ: Mapping[str, str]) -> Path:
    """Render the templates as the image's entry point does, and wrap them; return the main file.

    Like it, only variables that exist and match NGINX_ENVSUBST_FILTER (^PROXY_) are replaced.
    """
    (folder / "conf.d").mkdir(exist_ok=True)
    templates = {
        "default.conf": TEMPLATE,
        **({"mtls.conf": MTLS_TEMPLATE} if "PROXY_CLIENT" in environ else {}),
    }
    for target, template in templates.items():
        content = template.read_text()
        for name, value in environ.items():
            if name.startswith("PROXY_"):
                content = content.replace(f"${{{name}}}", value)
        assert "${PROXY_" not in content
        (folder / "conf.d" / target).write_text(content.replace("/dev/stdout", str(folder / "access.log")))
    main = folder / "nginx.conf"
    user = "root" if os.geteuid() == 0 else "nobody"
    main.write_text(_MAIN.format(folder=folder, user=user))
    return main


@contextmanager
def run_proxy(
    folder: Path,
    upstreams: Mapping[str, str],
    port: int | None = None,
    *,
    mtls: bool = False,
    resolver: str = "127.0.0.1",
) -> Iterator[Proxy]:
    """Run the proxy before upstreams (``{"auth": "127.0.0.1:1234", …}``). Raises EngineUnavailableError.

    An upstream that is a name is looked up at ``resolver``; one that is an address, nowhere.
    """
    nginx = find_nginx()
    port = port or find_free_ports(1)[0]
    secrets = folder / "installation" / "secrets"
    if not secrets.exists():
        make_installation(folder / "installation", f"https://localhost:{port}")
    environ = {
        "PROXY_LISTEN": f"127.0.0.1:{port}",
        "PROXY_CERT": str(secrets / "proxy-cert.pem"),
        "PROXY_KEY": str(secrets / "proxy-key.pem"),
        "PROXY_RESOLVER": resolver,
        "PROXY_SCHEME": "https" if mtls else "http",
        "PROXY_UPSTREAMS": " ".join(f"{name} {address};" for name, address in upstreams.items()),
    }
    if mtls:
        environ["PROXY_CLIENT"] = str(secrets / "proxy-client.pem")
        environ["PROXY_BACKEND_CA"] = str(secrets / "ca-cert.pem")
    main = render(folder, environ)
    errors = folder / "error.log"
    with errors.open("wb") as stderr:
        process = subprocess.Popen([nginx, "-p", folder, "-c", main], stderr=stderr)
        try:
            _wait_until_ready(process, port, errors)
            yield Proxy(port, secrets / "ca-cert.pem", folder / "access.log", process.pid)
        finally:
            process.terminate()
            process.wait(_READY_TIMEOUT_S)


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, errors: Path) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"nginx does not run: {errors.read_text()}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(_LOOK_S)
        else:
            return
