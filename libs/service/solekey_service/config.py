"""Configuration of a service: one frozen dataclass, from the environment and at most one TOML file.

A field ``database_url`` is read from ``SOLEKEY_DATABASE_URL``, else from ``database_url`` in the file, else
its default holds. A secret may also stand in a file of its own, named by ``SOLEKEY_DATABASE_URL_FILE``. An
unknown key stops start-up: a setting with a typing error would otherwise be silently without effect.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints
from urllib.parse import urlsplit

from solekey_eventlog.bus.config import BusConfig
from solekey_eventlog.bus.topics import DEFAULT_PARTITIONS, TopicSettings, derive_topics
from solekey_eventlog.engine import DEFAULT_POOL
from solekey_eventlog.errors import ConfigError
from solekey_eventlog.log_lines import LogFormat
from solekey_eventlog.secret import Secret
from solekey_service.http.source import Network, parse_networks

PREFIX = "SOLEKEY_"
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """The settings of every service; services subclass it and add their own."""

    database_url: Secret
    """postgresql+psycopg://role:password@host/database, or sqlite:////absolute/path.db"""
    bus_url: str
    """embedded:///absolute/path.db, or kafka://host:9092?security=sasl_tls&username=…"""
    origin: str
    """https://host[:port] as clients see it: checked in DPoP proofs and access tokens."""
    bus_password: Secret | None = None
    bus_partitions: int = DEFAULT_PARTITIONS
    """Fixed when the topics are created."""
    bus_replication_factor: int = 1
    bus_min_insync_replicas: int = 1
    listen: str = "127.0.0.1:8443"
    """host:port"""
    monitoring_listen: str | None = None
    """host:port where operators ask for /metrics, /live and /ready, by plain HTTP; by default nowhere."""
    traces_endpoint: str | None = None
    """URL where an OpenTelemetry collector takes traces (OTLP over HTTP); by default nowhere."""
    tls_cert: Path | None = None
    """PEM chain; without it a reverse proxy must terminate TLS."""
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    """PEM: only clients with a certificate of this authority are served, such as the reverse proxy."""
    freshness_s: float = 5.0
    """How long a feed that trust depends on may be silent before requests are refused."""
    step_up_s: int = 300
    """How long ago a second factor may have been proven, at most, for what requires a fresh one."""
    migrate: bool = True
    """Whether a start brings the tables up to date; otherwise ``migrate`` does, with a role that may."""
    database_pool: int = DEFAULT_POOL
    """Connections to PostgreSQL that a process holds at most: one for publishing, the others by turns."""
    processes: int = 1
    """Processes of the service that share its address, at best one a processor. Limits "in each process", and
    the connections to PostgreSQL, count as often."""
    max_requests: int = 128
    """Requests that a process works on at the same time; one more is answered 503, before the database is
    asked for anything."""
    max_workers: int = 64
    """Requests and records worked on at the same time."""
    requests_per_second: int = 50
    """Requests of one device in each process; a burst of four times as many is let through. An account has
    room for twice as many, however many devices it has."""
    requests_at_once: int = 16
    """Requests of one device that a process works on at the same time; of an account twice as many."""
    statements_per_minute: int = 600
    """Events of one account in this service's stream within any minute, of those that somebody asks for."""
    statements_per_day: int = 20_000
    """The same within any 24 hours."""
    max_events: int = 1_000_000
    """Events of one account in this service's stream: the log keeps them permanently."""
    max_connections: int = 1000
    """Connections at the same time; for one more, that whose client has been waited for the longest ends."""
    max_connections_per_source: int = 200
    """Connections from one address at the same time; 0: no such limit, for a service behind a proxy."""
    trusted_proxies: str = ""
    """Whose X-Forwarded-For and X-Request-Id are trusted: addresses and prefixes, separated by commas."""
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.TEXT
    """text for people, json for machines: one object a line."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work. Raises ConfigError."""
        if problems := self.find_problems():
            raise ConfigError(problems)

    def find_problems(self) -> list[str]:
        """List what is wrong; subclasses add to it."""
        problems = []
        if not _is_origin(self.origin):
            problems.append("origin: expected https://host[:port] without a path")
        problems += self._find_address_problems()
        if (self.tls_cert is None) != (self.tls_key is None):
            problems.append("tls_cert and tls_key: give both or none")
        if self.tls_client_ca is not None and self.tls_cert is None:
            problems.append("tls_client_ca: needs tls_cert and tls_key")
        return problems + self._find_number_problems()

    def _find_address_problems(self) -> list[str]:
        problems = [
            f"{name}: expected host:port"
            for name, text in (("listen", self.listen), ("monitoring_listen", self.monitoring_listen))
            if text is not None and not _is_address(text)
        ]
        if self.monitoring_listen == self.listen:
            problems.append("monitoring_listen: must not be the address that clients use")
        if self.traces_endpoint is not None and not _is_http_url(self.traces_endpoint):
            problems.append(
                "traces_endpoint: expected a URL without a password, such as http://collector:4318/v1/traces"
            )
        return problems

    def _find_number_problems(self) -> list[str]:
        problems = []
        if not 0 < self.freshness_s <= 60:  # seconds
            problems.append("freshness_s: expected more than 0 and at most 60 seconds")
        if not 30 <= self.step_up_s <= 3600:  # seconds
            problems.append("step_up_s: expected 30 to 3600 seconds")
        if not 2 <= self.database_pool <= 100:
            problems.append("database_pool: expected 2 to 100 connections")
        if not 1 <= self.processes <= 64:
            problems.append("processes: expected 1 to 64")
        if self.processes > 1 and self.database_url.reveal().startswith("sqlite"):
            problems.append("processes: more than one needs PostgreSQL")
        if min(self.max_workers, self.max_requests) < 1:
            problems.append("max_workers, max_requests: expected at least 1")
        return [*problems, *self._find_limit_problems()]

    def _find_limit_problems(self) -> list[str]:
        problems = []
        if min(self.requests_per_second, self.requests_at_once) < 1:
            problems.append("requests_per_second, requests_at_once: expected at least 1")
        if min(self.statements_per_minute, self.statements_per_day, self.max_events) < 1:
            problems.append("statements_per_minute, statements_per_day, max_events: expected at least 1")
        if not 10 <= self.max_connections <= 100_000:
            problems.append("max_connections: expected 10 to 100000")
        try:
            self.find_proxies()
        except ValueError as error:
            problems.append(f"trusted_proxies: {error}")
        if self.max_connections_per_source < 0:
            problems.append("max_connections_per_source: expected 0 (no limit) or more")
        return problems

    def find_proxies(self) -> tuple[Network, ...]:
        """Give the trusted proxies their type. Raises ValueError."""
        return parse_networks(self.trusted_proxies)

    def derive_nonce_key(self) -> bytes | None:
        """Derive the key of the nonces that DPoP proofs without a token must carry; None: they carry none."""
        return None

    @property
    def address(self) -> tuple[str, int]:
        """Where to listen: host and port."""
        return _split_address(self.listen)

    @property
    def monitoring_address(self) -> tuple[str, int] | None:
        """Where operators ask: host and port; None: nowhere."""
        return None if self.monitoring_listen is None else _split_address(self.monitoring_listen)

    def bus_config(self, client_id: str) -> BusConfig:
        """The configuration of the bus. Raises BusConfigurationError when the URL is wrong."""
        password = self.bus_password.reveal() if self.bus_password else None
        return BusConfig(self.bus_url, password=password, client_id=client_id)

    def topics(self) -> tuple[TopicSettings, ...]:
        """The topics of the platform as this configuration expects them."""
        return derive_topics(
            partitions=self.bus_partitions,
            replication_factor=self.bus_replication_factor,
            min_insync_replicas=self.bus_min_insync_replicas,
        )


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises for what is no port
    except ValueError:
        return False
    return bool(parts.hostname) and text == f"https://{parts.netloc}"


def _is_http_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and _is_port(port)


def _split_address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and int(text) < 65536


C = TypeVar("C", bound=ServiceConfig)


def load_config(cls: type[C], environ: Mapping[str, str], file: Path | None = None) -> C:
    """Load a service's configuration.

    Raises:
        ConfigError: an unknown key, a missing one, or a value that cannot work; names them all.
    """
    hints = get_type_hints(cls)
    members = {field.name: field for field in fields(cls)}
    given, problems = _gather(members, hints, environ, file)
    values: dict[str, Any] = {}
    for name, field in members.items():
        if name not in given:
            if _is_required(field):
                problems.append(f"{PREFIX}{name.upper()}: is not set")
            continue
        try:
            values[name] = _convert(hints[name], given[name])
        except (ValueError, TypeError) as error:
            shown = "" if _is_secret(hints[name]) else f": {error}"
            problems.append(f"{PREFIX}{name.upper()}: expected {_describe(hints[name])}{shown}")
    if problems:
        raise ConfigError(problems)
    return cls(**values)


def _gather(
    members: Mapping[str, Field[Any]],
    hints: Mapping[str, Any],
    environ: Mapping[str, str],
    file: Path | None,
) -> tuple[dict[str, Any], list[str]]:
    """Collect raw values by field name, the environment over the file; and what is unknown."""
    problems: list[str] = []
    given: dict[str, Any] = {}
    for name, value in _read_file(file).items():
        if name in members:
            given[name] = value
        else:
            problems.append(f"{file}: unknown key {name!r}")
    for key, value in environ.items():
        if not key.startswith(PREFIX):
            continue
        name = key.removeprefix(PREFIX).lower()
        secret = name.removesuffix("_file")
        if name in members:
            given[name] = value
        elif secret != name and secret in members and _is_secret(hints[secret]):
            given[secret] = _read_secret(key, value)
        else:
            problems.append(f"unknown key {key}")
    return given, problems


def _read_file(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError([f"{file}: {error}"]) from error


def _read_secret(key: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\n")
    except (OSError, ValueError) as error:
        raise ConfigError([f"{key}: cannot read {path}"]) from error


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _kinds(hint: Any) -> tuple[Any, ...]:
    """The types of a field, without None."""
    return tuple(kind for kind in (get_args(hint) or (hint,)) if kind is not NoneType)


def _is_secret(hint: Any) -> bool:
    return Secret in _kinds(hint)


def _describe(hint: Any) -> str:
    (kind,) = _kinds(hint)
    if issubclass(kind, StrEnum):
        return " or ".join(kind)
    names: dict[type, str] = {int: "an integer", float: "a number", bool: "true or false"}
    return names.get(kind, str(kind.__name__))


def _convert(hint: Any, value: Any) -> Any:
    """Convert a string, or what TOML made of it. Raises ValueError or TypeError."""
    (kind,) = _kinds(hint)
    if kind is bool:
        return _convert_bool(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError(f"a {type(value).__name__} cannot stand here")
    if kind is int and isinstance(value, float):
        raise TypeError("not a whole number")
    converted: Any = kind(value if kind in {int, float} else str(value))
    return converted


def _convert_bool(value: Any) -> bool:
    text = str(value).lower()
    if text not in _BOOLEANS:
        raise ValueError(f"{text!r} is neither true nor false")
    return _BOOLEANS[text]
