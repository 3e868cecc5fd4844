"""docker-compose.yml demands every secret, hides every server, and configures services as they want it."""

from importlib import import_module
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from solekey_eventlog.errors import ConfigError
from solekey_service.config import ServiceConfig, load_config
from tests.support.deployment.compose import (
    DEPLOY,
    ROOT,
    SERVICES,
    MissingVariableError,
    find_strings,
    find_variables,
    load_compose,
    make_installation,
    read_env_file,
)

HARMLESS = {"SOLEKEY_HTTPS_PORT"}
"""The only variable with a default: a port, no secret."""


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return make_installation(tmp_path_factory.mktemp("installation"))


@pytest.fixture(scope="module")
def compose(environ: dict[str, str]) -> dict[str, Any]:
    return load_compose(environ)


def config_class(service: str) -> type[ServiceConfig]:
    module = import_module(f"solekey_{service}.config")
    return getattr(module, f"{service.title()}Config")  # type: ignore[no-any-return]  # the grid's name


def test_no_variable_but_the_port_has_a_default() -> None:
    with_default = {variable.name for variable in find_variables() if variable.operator != ":?"}
    assert with_default == HARMLESS


def test_the_example_names_every_variable_and_gives_no_value() -> None:
    example = read_env_file(DEPLOY / ".env.example")
    names = {name.replace("<SERVICE>", service.upper()) for name in example for service in SERVICES}
    assert names == {variable.name for variable in find_variables()}
    assert {name for name, value in example.items() if value} == HARMLESS


@pytest.mark.parametrize("name", sorted({v.name for v in find_variables()} - HARMLESS))
def test_compose_refuses_to_start_without_a_secret(environ: dict[str, str], name: str) -> None:
    with pytest.raises(MissingVariableError, match=name):
        load_compose({**environ, name: ""})


def test_no_secret_stands_in_the_file(compose: dict[str, Any], environ: dict[str, str]) -> None:
    """Passwords in the file come from variables: without values, nothing that looks like one is left."""
    empty = load_compose(dict.fromkeys(environ, "<variable>"))
    for service in empty["services"].values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or (name.endswith("_KEY") and not name.startswith("PROXY_")):
                assert value == "<variable>", name
    assert not any("://" in text and ":<" not in text and "@" in text for text in find_strings(empty))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_accepts_its_environment(compose: dict[str, Any], service: str) -> None:
    environment = compose["services"][service]["environment"]
    config = load_config(config_class(service), environment)
    assert config.bus_config("test").url.startswith("kafka://")
    with pytest.raises(ConfigError, match="SOLEKEY_DATABASE_URLS"):
        load_config(config_class(service), {**environment, "SOLEKEY_DATABASE_URLS": "x"})


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_gets_its_own_secrets_and_no_other(
    compose: dict[str, Any], environ: dict[str, str], service: str
) -> None:
    given = "\n".join(compose["services"][service]["environment"].values())
    own = {name for name in environ if name.startswith(f"{service.upper()}_")}
    foreign = set(environ) - own - HARMLESS - {"SOLEKEY_ORIGIN"}
    assert own
    assert all(environ[name] in given for name in own)
    assert not any(environ[name] in given for name in foreign)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_runs_with_few_rights(compose: dict[str, Any], service: str) -> None:
    settings = compose["services"][service]
    assert settings["command"] == ["python", "-m", f"solekey_{service}"]
    assert settings["read_only"] is True
    assert settings["cap_drop"] == ["ALL"]
    assert settings["networks"] == ["backend"]


def test_only_the_proxy_is_reached_from_outside(compose: dict[str, Any]) -> None:
    published = {name for name, service in compose["services"].items() if "ports" in service}
    assert published == {"proxy"}
    assert compose["networks"]["backend"]["internal"] is True


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_believes_the_proxy_alone_about_where_requests_come_from(
    compose: dict[str, Any], service: str
) -> None:
    environment = compose["services"][service]["environment"]
    (trusted,) = load_config(config_class(service), environment).find_proxies()
    assert str(trusted.network_address) == compose["services"]["proxy"]["networks"]["backend"]["ipv4_address"]
    assert trusted.num_addresses == 1
    (pool,) = compose["networks"]["backend"]["ipam"]["config"]
    assert trusted.subnet_of(ip_network(pool["subnet"]))
    assert not trusted.overlaps(ip_network(pool["ip_range"]))  # no other container is given it


def test_every_server_tells_its_health(compose: dict[str, Any]) -> None:
    servers = set(compose["services"]) - {"kafka-init"}
    assert {name for name in servers if "healthcheck" in compose["services"][name]} == servers
    for service in SERVICES:
        assert (
            f"http://127.0.0.1:8080/v1/{service}/health"
            in compose["services"][service]["healthcheck"]["test"]
        )


def test_what_the_file_refers_to_exists(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert set(service.get("depends_on", ())) <= set(compose["services"])
        assert set(service.get("secrets", ())) <= set(compose["secrets"])
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            known = (ROOT / source).is_file() if source.startswith("./") else source in compose["volumes"]
            assert known, volume


def test_the_secret_files_are_those_that_are_made(compose: dict[str, Any], tmp_path: Path) -> None:
    make_installation(tmp_path)
    for secret in compose["secrets"].values():
        assert (tmp_path / Path(secret["file"]).relative_to("deploy")).is_file()
