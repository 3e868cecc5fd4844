"""Where the bus is and how to reach it. The password never stands in the URL.

URL format::

    embedded:///var/lib/solekey/bus.db
    kafka://host:9092,host2:9092?security=sasl_tls&username=auth&ca_file=/etc/solekey/kafka-ca.pem
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from solekey_eventlog.bus.errors import BusConfigurationError

_URL_HELP = (
    "expected embedded:///path/bus.db or "
    "kafka://host:port[,host:port…][?security=…&username=…&ca_file=…&cert_file=…&key_file=…]"
)
_KAFKA_OPTIONS = frozenset({"security", "username", "mechanism", "ca_file", "cert_file", "key_file"})


class Security(StrEnum):
    """How a connection to Kafka is protected."""

    PLAINTEXT = "plaintext"
    TLS = "tls"
    SASL_PLAINTEXT = "sasl_plaintext"
    SASL_TLS = "sasl_tls"

    @property
    def has_sasl(self) -> bool:
        """Tell whether a user name and password are sent (SCRAM: never in clear)."""
        return self in {Security.SASL_PLAINTEXT, Security.SASL_TLS}


class ScramMechanism(StrEnum):
    """RFC 5802 mechanisms that Kafka brokers offer."""

    SHA_256 = "SCRAM-SHA-256"
    SHA_512 = "SCRAM-SHA-512"


@dataclass(frozen=True, slots=True)
class BusConfig:
    """Address, credentials and time limits of a bus. The password shows in no ``repr``."""

    url: str
    password: str | None = field(default=None, repr=False)
    client_id: str = "solekey"
    publish_timeout_s: float = 10.0
    """After this long ``publish`` gives up with BusUnavailableError."""
    request_timeout_s: float = 10.0
    """The same for every other question to the bus."""
    session_timeout_s: float = 10.0
    """A group member that has been silent for so long loses its partitions."""

    def __post_init__(self) -> None:
        """Refuse a URL that cannot work, at start and not at the first use. Raises BusConfigurationError."""
        parse_address(self)

    @property
    def is_shared(self) -> bool:
        """Whether several processes may follow the bus."""
        return isinstance(parse_address(self), KafkaAddress)


@dataclass(frozen=True, slots=True)
class EmbeddedAddress:
    """The parsed ``embedded:`` URL."""

    path: Path


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """The parsed ``kafka:`` URL."""

    servers: tuple[str, ...]
    security: Security
    username: str | None
    mechanism: ScramMechanism
    ca_file: str | None
    cert_file: str | None
    key_file: str | None


def parse_address(config: BusConfig) -> EmbeddedAddress | KafkaAddress:
    """Parse the URL of a config. Raises BusConfigurationError for anything that is not understood."""
    try:
        url = urlsplit(config.url)
    except ValueError as error:
        raise BusConfigurationError(f"bus URL: {error}; {_URL_HELP}") from error
    if url.scheme == "embedded":
        if url.netloc or url.query or url.fragment or not url.path.startswith("/") or url.path.endswith("/"):
            raise BusConfigurationError(f"bus URL: {_URL_HELP}; the path is absolute: three slashes")
        return EmbeddedAddress(Path(unquote(url.path)))
    if url.scheme != "kafka":
        raise BusConfigurationError(f"bus URL: unknown scheme {url.scheme!r}; {_URL_HELP}")
    if "@" in url.netloc:
        raise BusConfigurationError(
            "bus URL: no credentials before the host; use username= and the password setting"
        )
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    if unknown := sorted(options.keys() - _KAFKA_OPTIONS):
        raise BusConfigurationError(f"bus URL: unknown option {', '.join(unknown)}; {_URL_HELP}")
    servers = tuple(url.netloc.split(","))
    if not all(_is_host_port(server) for server in servers) or url.path not in {"", "/"}:
        raise BusConfigurationError(f"bus URL: {_URL_HELP}")
    return _check_credentials(_parse_kafka_options(servers, options), config.password)


def _is_host_port(server: str) -> bool:
    host, _, port = server.rpartition(":")
    return bool(host) and port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536


def _parse_kafka_options(servers: tuple[str, ...], options: dict[str, str]) -> KafkaAddress:
    try:
        return KafkaAddress(
            servers=servers,
            security=Security(options.get("security", Security.PLAINTEXT)),
            username=options.get("username"),
            mechanism=ScramMechanism(options.get("mechanism", ScramMechanism.SHA_512)),
            ca_file=options.get("ca_file"),
            cert_file=options.get("cert_file"),
            key_file=options.get("key_file"),
        )
    except ValueError as error:
        choices = ", ".join([*Security, *ScramMechanism])
        raise BusConfigurationError(f"bus URL: {error}; choose from {choices}") from error


def _check_credentials(address: KafkaAddress, password: str | None) -> KafkaAddress:
    given = [address.username is not None, password is not None]
    if not (all(given) if address.security.has_sasl else not any(given)):
        raise BusConfigurationError(
            "bus: security=sasl_tls or sasl_plaintext needs username= in the URL and the password setting; "
            "without SASL leave both out"
        )
    return address
