"""Configuration: what cannot work stops start-up and is named; secrets are never shown."""

import pickle
from dataclasses import dataclass
from pathlib import Path

import pytest

from solekey_eventlog.errors import ConfigError
from solekey_eventlog.secret import Secret
from solekey_service.config import LogLevel, ServiceConfig, load_config

GOOD = {
    "SOLEKEY_DATABASE_URL": "sqlite:////var/lib/solekey/auth.db",
    "SOLEKEY_BUS_URL": "embedded:///var/lib/solekey/bus.db",
    "SOLEKEY_ORIGIN": "https://solekey.example",
    "PATH": "/bin",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoConfig(ServiceConfig):
    operator_key: Secret
    relaxed: bool = False


KEY = {"SOLEKEY_OPERATOR_KEY": "s3cret-operator-key"}


def test_defaults_hold_and_the_environment_counts() -> None:
    config = load_config(ServiceConfig, GOOD)
    assert config.address == ("127.0.0.1", 8443)
    assert config.freshness_s == 5.0
    assert config.tls_cert is None
    settings = {"LISTEN": "[::]:80", "FRESHNESS_S": "2.5", "MAX_WORKERS": "3", "LOG_LEVEL": "DEBUG"}
    config = load_config(ServiceConfig, GOOD | {f"SOLEKEY_{name}": value for name, value in settings.items()})
    assert config.address == ("::", 80)
    assert (config.freshness_s, config.max_workers, config.log_level) == (2.5, 3, LogLevel.DEBUG)


def test_services_add_fields() -> None:
    config = load_config(DemoConfig, GOOD | KEY | {"SOLEKEY_RELAXED": "true"})
    assert config.relaxed is True
    assert config.operator_key.reveal() == "s3cret-operator-key"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"SOLEKEY_DATABASE_ULR": "x"}, "unknown key SOLEKEY_DATABASE_ULR"),
        ({"SOLEKEY_ORIGIN_FILE": "x"}, "unknown key SOLEKEY_ORIGIN_FILE"),
        ({"SOLEKEY_ORIGIN": "http://solekey.example"}, "origin"),
        ({"SOLEKEY_ORIGIN": "https://solekey.example/path"}, "origin"),
        ({"SOLEKEY_LISTEN": "8443"}, "listen"),
        ({"SOLEKEY_LISTEN": "localhost:99999"}, "listen"),
        ({"SOLEKEY_TRACES_ENDPOINT": "collector:4318"}, "traces_endpoint"),
        ({"SOLEKEY_TRACES_ENDPOINT": "https://me:secret@collector/v1/traces"}, "traces_endpoint"),
        ({"SOLEKEY_MAX_WORKERS": "many"}, "SOLEKEY_MAX_WORKERS: expected an integer"),
        ({"SOLEKEY_MAX_WORKERS": "0"}, "max_workers"),
        ({"SOLEKEY_FRESHNESS_S": "600"}, "freshness_s"),
        ({"SOLEKEY_LOG_LEVEL": "LOUD"}, "SOLEKEY_LOG_LEVEL: expected DEBUG or INFO"),
        ({"SOLEKEY_TLS_CERT": "cert.pem"}, "tls_cert and tls_key"),
        ({"SOLEKEY_RELAXED": "perhaps"}, "SOLEKEY_RELAXED: expected true or false"),
        ({"SOLEKEY_DATABASE_URL_FILE": "/nowhere/secret"}, "SOLEKEY_DATABASE_URL_FILE"),
    ],
)
def test_what_cannot_work_stops_start_up_and_is_named(changes: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError, match=named.replace("(", r"\(")):
        load_config(DemoConfig, GOOD | KEY | changes)


def test_everything_wrong_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        load_config(DemoConfig, {"SOLEKEY_NONSENSE": "1", "SOLEKEY_MAX_WORKERS": "x"})
    assert len(error.value.problems) == 6
    for key in ("NONSENSE", "MAX_WORKERS", "DATABASE_URL", "BUS_URL", "ORIGIN", "OPERATOR_KEY"):
        assert f"SOLEKEY_{key}" in str(error.value)


def test_a_file_is_read_and_the_environment_goes_before_it(tmp_path: Path) -> None:
    file = tmp_path / "auth.toml"
    file.write_text('operator_key = "from-file"\nmax_workers = 7\nfreshness_s = 3\nrelaxed = true\n')
    config = load_config(DemoConfig, GOOD | {"SOLEKEY_MAX_WORKERS": "9"}, file)
    assert (config.max_workers, config.freshness_s, config.relaxed) == (9, 3.0, True)
    assert config.operator_key.reveal() == "from-file"
    file.write_text("max_worker = 7\n")
    with pytest.raises(ConfigError, match="unknown key 'max_worker'"):
        load_config(DemoConfig, GOOD | KEY, file)
    file.write_text("max_workers = 7.5\n")
    with pytest.raises(ConfigError, match="MAX_WORKERS: expected an integer"):
        load_config(DemoConfig, GOOD | KEY, file)
    file.write_text("not toml")
    with pytest.raises(ConfigError):
        load_config(DemoConfig, GOOD | KEY, file)


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-its-own-file\n")
    config = load_config(DemoConfig, GOOD | {"SOLEKEY_OPERATOR_KEY_FILE": str(tmp_path / "key")})
    assert config.operator_key.reveal() == "from-its-own-file"


def test_secrets_are_never_shown() -> None:
    environ = GOOD | KEY | {"SOLEKEY_BUS_PASSWORD": "s3cret-bus"}
    config = load_config(DemoConfig, environ)
    assert "s3cret" not in repr(config) + str(config)
    assert "sqlite" not in repr(config)  # database URLs hold passwords
    assert "<redacted>" in repr(config)
    assert config.operator_key == Secret("s3cret-operator-key")
    assert config.operator_key != Secret("another")
    assert config.operator_key != "s3cret-operator-key"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(config.operator_key)


def test_the_bus_is_told_its_password() -> None:
    url = "kafka://broker:9092?security=sasl_tls&username=auth"
    environ = GOOD | {"SOLEKEY_BUS_URL": url, "SOLEKEY_BUS_PASSWORD": "s3cret-bus"}
    config = load_config(ServiceConfig, environ)
    assert config.bus_config("auth").password == "s3cret-bus"
    assert {topic.name for topic in config.topics()} >= {"solekey.auth.v1", "solekey.heartbeat.v1"}
