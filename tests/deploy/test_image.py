"""The server image holds the server packages and hashed requirements, and never the client."""

import re

from deploy.compose import DEPLOY, ROOT, SERVICES

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
IGNORE = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()


def test_the_build_context_is_an_allow_list_without_the_client() -> None:
    rules = [line for line in IGNORE if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {line[1:] for line in rules if line.startswith("!")}
    assert allowed == {
        "libs",
        "services",
        "spec/events",
        "requirements/installer.txt",
        "requirements/services.txt",
        "deploy/kafka/prepare_kafka.py",
        "deploy/healthcheck.py",
    }


def test_every_copied_path_exists_and_is_in_the_context() -> None:
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    sources = " ".join(copies).split()
    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert any(f"!{source}" == line or source.startswith(f"{line[1:]}/") for line in IGNORE), source


def test_it_installs_the_libraries_and_the_services_and_nothing_else_of_ours() -> None:
    installed = set(re.findall(r"\./([\w/]+)", DOCKERFILE))
    assert installed == {"libs/protocol", "libs/eventlog", *(f"services/{service}" for service in SERVICES)}


def test_requirements_are_hashed_and_the_process_is_nobody_special() -> None:
    assert "pip install --no-deps --require-hashes --only-binary :all:" in DOCKERFILE
    assert re.search(r"^USER 10001$", DOCKERFILE, re.MULTILINE)
    last_stage = DOCKERFILE.rpartition("FROM ")[2]
    assert "COPY --from=build /opt/solekey" in last_stage
