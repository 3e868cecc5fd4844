"""How the server image is made; tests/system/deploy/test_docker.py builds it and looks inside."""

import re

from tests.support.deployment.compose import DEPLOY, find_variables, load_compose
from tests.support.repository import ROOT

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
OPTIONS = "--no-deps --require-hashes --only-binary :all:"


def test_it_installs_with_the_locked_installer_as_the_makefile_does() -> None:
    assert f"pip install {OPTIONS}" in DOCKERFILE
    assert "for lock in installer services" in DOCKERFILE
    makefile = (ROOT / "Makefile").read_text()
    assert all(option in makefile for option in OPTIONS.split(" --"))


def test_the_process_is_nobody_special() -> None:
    assert re.search(r"^USER 10001$", DOCKERFILE.rpartition("FROM ")[2], re.MULTILINE)


def test_one_service_builds_it_for_all() -> None:
    environ = {variable.name: "1" for variable in find_variables()}
    services = load_compose(environ)["services"]
    using = {name for name, settings in services.items() if settings["image"] == "solekey-server"}
    assert [name for name in using if "build" in services[name]] == ["kafka-init"]
    for name in using - {"kafka-init"}:
        assert "kafka-init" in services[name]["depends_on"]  # so that whatever is started builds it
