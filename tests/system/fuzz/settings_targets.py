"""What a service reads from its operator: settings, and what stands in them."""

from typing import Any, Final

from hypothesis import strategies as st

from solekey_auth.config import AuthConfig
from solekey_eventlog.bus.config import BusConfig, parse_address
from solekey_eventlog.bus.errors import BusConfigurationError
from solekey_eventlog.errors import ConfigError
from solekey_service.config import load_config
from solekey_service.http.source import parse_networks
from tests.system.fuzz.mutations import mutate_text
from tests.system.fuzz.target import Target


def _check_proxies(text: str) -> None:
    networks = parse_networks(text)
    assert parse_networks(", ".join(str(network) for network in networks)) == networks


def _check_bus_url(text: str) -> None:
    assert parse_address(BusConfig(text, client_id="fuzz"))


_SETTINGS: Final = {
    "origin": "https://solekey.example:8443",
    "listen": "127.0.0.1:8443",
    "freshness_s": "5",
    "max_workers": "10",
    "bus_partitions": "6",
    "log_level": "INFO",
}


_REQUIRED: Final = {
    "SOLEKEY_DATABASE_URL": "sqlite:////tmp/x.db",
    "SOLEKEY_BUS_URL": "embedded:///tmp/bus.db",
    "SOLEKEY_OPERATOR_KEY": "0b" * 32,
    "SOLEKEY_SIGNING_KEY": "5e" * 32,
}


def _check_settings(text: str) -> None:
    """Lines of ``name=value``."""
    given = dict(line.partition("=")[::2] for line in text.split("\n"))
    environ = {f"SOLEKEY_{name.upper()}": value for name, value in given.items()}
    config = load_config(AuthConfig, _REQUIRED | environ)
    assert 0 <= config.address[1] < 65536
    assert 0 < config.freshness_s <= 60


def _header(name: str, valid: list[str], check: Any, refusals: Any, *covers: str) -> Target:
    return Target(name, st.sampled_from(valid), check, refusals, mutate=mutate_text, covers=covers)


TARGETS = (
    _header(
        "trusted proxies",
        ["10.0.0.1", "10.0.0.0/8, 2001:db8::/32", ""],
        _check_proxies,
        (ValueError,),
        "source.parse_networks",
    ),
    Target(
        "bus URL",
        st.sampled_from(
            ["embedded:///lib/bus.db", "kafka://a:9092,b:9093?security=tls&ca_file=/ca.pem", "kafka://a:1"]
        ),
        _check_bus_url,
        (BusConfigurationError,),
        mutate=mutate_text,
        findings=("kafka://[a:9092", "kafka://a:" + "9" * 5000),
        covers=("bus.config.parse_address",),
    ),
    Target(
        "settings",
        st.just("\n".join(f"{name}={value}" for name, value in _SETTINGS.items())),
        _check_settings,
        (ConfigError,),
        mutate=mutate_text,
        findings=("origin=https://[a", "origin=https://a:b", "origin=https://a\nlisten=a:" + "9" * 5000),
        covers=("config.load_config",),
    ),
)
