"""An installation in Docker, by docker-compose.yml itself, in a copy of the tree: its operator's commands."""

import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.deployment.compose import SERVICES
from tests.support.deployment.nginx import Proxy
from tests.support.engines.waiting import wait_until
from tests.support.repository import ROOT

COMPOSE = "docker compose --env-file deploy/.env"
MTLS = "docker compose -f docker-compose.yml -f deploy/mtls.yml --env-file deploy/.env"
_TIMEOUT_S = 400
_REQUEST_TIMEOUT_S = 30
_READY_TIMEOUT_S = 240
_LOOK_S = 0.3


@dataclass(frozen=True, slots=True)
class Installation:
    """A copy of the tree, and the project's name and port at the engine."""

    tree: Path
    project: str
    port: int

    @property
    def proxy(self) -> Proxy:
        """The proxy, as clients on this machine know it."""
        return Proxy(
            self.port, self.tree / "deploy" / "secrets" / "ca-cert.pem", self.tree / "there is none.log"
        )

    def run(self, command: str, **environ: str) -> str:
        """Run an operator's command at the top of the tree, demand success, and return its output."""
        done = self.try_(command, **environ)
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def try_(self, command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run an operator's command at the top of the tree, however it ends."""
        given = {name: value for name, value in os.environ.items() if not name.startswith("SOLEKEY_")}
        given |= {"COMPOSE_PROJECT_NAME": self.project, "COMPOSE_PROGRESS": "plain", **environ}
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.tree, env=given, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S,
        )  # fmt: skip

    def ask(self, path: str) -> httpx.Response:
        """Ask through the proxy."""
        with httpx.Client(
            verify=self.proxy.make_context(), trust_env=False, timeout=_REQUEST_TIMEOUT_S
        ) as http:
            return http.get(f"{self.proxy.origin}{path}")

    def find_health(self) -> dict[str, int]:
        """Ask all services at once for their health through the proxy; 0 where not even the proxy answers."""

        def ask(name: str) -> int:
            try:
                return self.ask(f"/v1/{name}/health").status_code
            except httpx.TransportError:
                return 0

        with ThreadPoolExecutor(len(SERVICES)) as threads:
            return dict(zip(SERVICES, threads.map(ask, SERVICES), strict=True))

    def wait_until_ready(self) -> None:
        """Wait until every service says through the proxy that it is ready."""
        self.wait_until(lambda health: set(health.values()) == {200})

    def wait_until(self, holds: Callable[[dict[str, int]], bool]) -> None:
        """Wait until something holds for what `find_health` finds."""

        def look() -> bool:
            time.sleep(_LOOK_S)  # the proxy limits how much one source may ask
            return holds(self.find_health())

        try:
            wait_until(look, _READY_TIMEOUT_S)
        except AssertionError as error:  # CI keeps nothing else of it
            logs = self.run(f"{COMPOSE} logs --tail 20")
            raise AssertionError(f"{error}: {self.find_health()}\n{logs}") from error

    def inspect(self, service: str, template: str) -> list[str]:
        """Inspect a service's containers with one of Docker's templates."""
        containers = self.run(f"{COMPOSE} ps --all --quiet {service}").split()
        return self.run(f"docker inspect --format '{template}' {' '.join(containers)}").splitlines()

    def find_check_times(self, service: str) -> list[str]:
        """Return when the last five health checks of a service's container began."""
        (state,) = self.inspect(service, "{{json .State.Health}}")
        return [check["Start"] for check in json.loads(state)["Log"]]

    def move(self, service: str) -> None:
        """Give a service's container another address, once every service has noticed that it is gone.

        Until they notice, they say that they are ready, and truly are: for as long as their news is fresh.
        """
        (container,) = self.inspect(service, "{{.Id}}")
        names = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}"
        (network,) = " ".join(self.inspect(service, names)).split()
        place_holder = f"{self.project}-place-holder"
        self.run(f"docker network disconnect --force {network} {container}")
        hold = f"docker run --rm --detach --name {place_holder} --network {network}"
        self.run(f"{hold} --entrypoint sleep solekey-server 600")  # it gets the address that has become free
        self.wait_until(lambda health: min(health.values()) >= httpx.codes.INTERNAL_SERVER_ERROR)
        self.run(f"docker network connect --alias {service} {network} {container}")
        self.run(f"docker rm --force {place_holder}")

    def kill_everything(self) -> None:
        """Kill the main process of every container, as the kernel would, and leave the rest to Docker.

        What Docker itself kills counts as stopped by its operator and is not started again.
        """
        pids = self.run(f"docker inspect --format '{{{{.State.Pid}}}}' $({COMPOSE} ps --quiet)").split()
        kill = f"kill -KILL {' '.join(pids)}"
        self.run(f"docker run --rm --user 0 --pid host --entrypoint sh solekey-server -c '{kill}'")


@contextmanager
def make_copy(folder: Path, port: int) -> Iterator[Installation]:
    """Copy the tree as a fresh clone would have it; afterwards remove what Docker holds of it."""
    tree = folder / "tree"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    for name in listed.stdout.decode().split("\0"):
        if name and (source := ROOT / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, tree / name, follow_symlinks=False)
    installation = Installation(tree, f"solekey-test-{secrets.token_hex(3)}", port)
    try:
        yield installation
    finally:
        if (tree / "deploy" / ".env").exists():
            installation.run(f"{COMPOSE} down --volumes --remove-orphans --timeout 2")
