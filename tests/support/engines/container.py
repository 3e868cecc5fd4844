"""Containers of a Docker engine that answers, from images that are there already: nothing is pulled."""

import os
import socket
from collections.abc import Mapping

from tests.support.engines.engine import EngineUnavailableError

LABEL = "solekey.tests"


def docker_answers() -> bool:
    """Tell whether a Docker engine is there to be used."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if host.startswith("unix://") and not _accepts(host.removeprefix("unix://")):
        return False  # asked here, because the docker package leaves its socket open when it fails
    try:
        import docker
        from docker.errors import DockerException
    except ImportError:
        return False
    try:
        client = docker.from_env()
    except DockerException:
        return False
    client.close()
    return True


def _accepts(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


class Container:
    """One container with one port, published at a fixed port of the loopback so that it survives a restart.

    Testcontainers would have its reaper (Ryuk) remove what a killed test run leaves behind. That is one more
    image, so it is switched off: `close` removes the container, and tests/support/docker/run.sh whatever is
    left with our label.
    """

    def __init__(
        self, image: str, port: tuple[int, int], environment: Mapping[str, str], command: str = ""
    ) -> None:
        """Make none yet. ``port``: the container's, and the one on this machine.

        Raises:
            EngineUnavailableError: no engine answers, or it does not have the image.
        """
        if not docker_answers():
            raise EngineUnavailableError("no Docker engine answers")
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer

        testcontainers_config.ryuk_disabled = True
        _find_image(image)
        inside, outside = port
        self._container = DockerContainer(
            image, env=dict(environment), command=command or None, labels={LABEL: "1"}
        )
        self._container.ports = {f"{inside}/tcp": ("127.0.0.1", outside)}  # type: ignore[dict-item]  # docker-py's
        self._image = image

    def start(self) -> None:
        """Start it for the first time, or again. Raises EngineUnavailableError."""
        try:
            if self._container._container is None:
                self._container.start()
            else:
                self._container.get_wrapped_container().start()
        except Exception as error:  # whatever it is, there is a next choice
            raise EngineUnavailableError(f"a container of {self._image} does not start: {error}") from error

    def stop(self) -> None:
        """Stop it and keep its data."""
        self._container.get_wrapped_container().stop()

    def close(self) -> None:
        """Remove it with its volumes, if it was made."""
        self._container.stop()


def _find_image(image: str) -> None:
    import docker
    from docker.errors import DockerException

    client = docker.from_env()
    try:
        client.images.get(image)
    except (DockerException, OSError) as error:
        raise EngineUnavailableError(f"the Docker engine does not have {image}") from error
    finally:
        client.close()
