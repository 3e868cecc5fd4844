"""A Docker engine that answers and is of no use: it lacks the image, or starts no container."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

_VERSION = {"ApiVersion": "1.41", "Version": "20.10.24"}
_IMAGE = {"Id": f"sha256:{'0' * 64}", "RepoTags": []}
_CONTAINER = {"Id": "1" * 64, "Name": "/made", "Config": {"Image": "x"}, "State": {"Status": "created"}}


@dataclass(frozen=True, slots=True)
class FakeDocker:
    """Where it listens, and the requests that came, such as ``POST /containers/create``."""

    host: str
    requests: list[str] = field(default_factory=list)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextmanager
def run_fake_docker(folder: Path, images: bool) -> Iterator[FakeDocker]:
    """Run it. With ``images`` it has every image and makes containers, but starts none."""
    path = folder / "docker.sock"
    fake = FakeDocker(f"unix://{path}")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = self.path.removeprefix("/v1.41").partition("?")[0]
            fake.requests.append(f"{self.command} {asked}")
            status, answer = _answer(self.command, asked, images)
            body = json.dumps(answer).encode() if status != 204 else b""
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_DELETE = do_GET  # noqa: N815 - names that http.server calls

        def address_string(self) -> str:
            return "unix"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _Server(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()


def _answer(method: str, path: str, images: bool) -> tuple[int, object]:
    match method, path:
        case "GET", "/version":
            return 200, _VERSION
        case "GET", _ if path.startswith("/images/") and images:
            return 200, _IMAGE
        case "POST", "/containers/create" if images:
            return 201, {"Id": _CONTAINER["Id"], "Warnings": []}
        case "GET", _ if path.startswith("/containers/") and images:
            return 200, _CONTAINER
        case "DELETE", _:
            return 204, None
        case "POST", _ if path.startswith("/containers/"):
            return 500, {"message": "cgroups: cannot be mounted"}
        case _:
            return 404, {"message": "no such thing"}
