"""How the Kafka adapter connects: client settings, limits, and the translation of errors.

kafka-python moves fast; only the ``kafka*.py`` modules here know it.
"""

import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, errors

from solekey_eventlog.bus.config import BusConfig, KafkaAddress, Security
from solekey_eventlog.bus.errors import BusConfigurationError, BusUnavailableError

_PROTOCOLS = {
    Security.PLAINTEXT: "PLAINTEXT",
    Security.TLS: "SSL",
    Security.SASL_PLAINTEXT: "SASL_PLAINTEXT",
    Security.SASL_TLS: "SASL_SSL",
}
_RECONNECT_MAX_MS = 1000  # a bus that comes back is found within a second

_FINAL_ERRORS = (
    errors.AuthorizationError,
    errors.InvalidTopicError,
    errors.KafkaConfigurationError,
    errors.MessageSizeTooLargeError,
    errors.PolicyViolationError,
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedVersionError,
)


_SYMPTOMS = (errors.KafkaTimeoutError, errors.NodeNotReadyError)
"""What the library logs because of another error before."""


class _Password(str):
    """A password that the client library cannot write into a log by mistake: it logs its settings."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'<redacted>'"


class _Causes(logging.Handler):
    """Keeps why the library could not connect: it only logs that, several times a second."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._cause = "it gives no reason"
        self._is_certain = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first error that was logged; a refusal counts more than a connection that was closed."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        for error in arguments:
            if isinstance(error, BaseException) and not isinstance(error, _SYMPTOMS) and not self._is_certain:
                self._cause = " ".join(_describe(error).split())  # the error itself holds its socket
                self._is_certain = type(error) is not errors.KafkaConnectionError

    def tell(self) -> str:
        """Tell it in one line."""
        return self._cause


@contextmanager
def _heard() -> Iterator[_Causes]:
    """Listen to the library's log for the length of the block."""
    causes, log = _Causes(), logging.getLogger("kafka")
    log.addHandler(causes)
    try:
        yield causes
    finally:
        log.removeHandler(causes)


class KafkaConnection:
    """Makes producers, consumers and admin clients for one address. Holds no connection itself."""

    def __init__(self, address: KafkaAddress, config: BusConfig) -> None:
        self._servers = ",".join(address.servers)
        self.timeout_ms = int(config.request_timeout_s * 1000)
        self._settings = _derive_settings(address, config)

    def open(self, kind: Callable[..., Any], **settings: Any) -> Any:
        """Make a KafkaProducer, KafkaConsumer or KafkaAdminClient that has reached a broker.

        Raises:
            BusUnavailableError: no broker answered in time.
            BusConfigurationError: the settings are refused.
        """
        make_client = kind.DEFAULT_CONFIG["kafka_client"]  # type: ignore[attr-defined]  # all three have it
        clients = []

        def make_and_keep(**options: Any) -> Any:
            clients.append(make_client(**options))
            return clients[-1]

        with self.translated(), _heard() as causes:
            try:
                return kind(**{**self._settings, **settings}, kafka_client=make_and_keep)
            except BaseException as error:
                for client in clients:  # the library leaves its thread running when a constructor fails
                    client.close()
                if isinstance(error, errors.KafkaTimeoutError):
                    raise BusUnavailableError(
                        f"Kafka at {self._servers}: no broker answered in time that accepts our credentials "
                        f"and shows a certificate that we accept: {causes.tell()}"
                    ) from error
                raise

    @contextmanager
    def admin(self) -> Iterator[Any]:
        """Give an admin client for the length of the block, with translated errors."""
        client = self.open(KafkaAdminClient)
        try:
            with self.translated():
                yield client
        finally:
            client.close()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the library's errors into the bus's."""
        try:
            yield
        except _FINAL_ERRORS as error:
            raise BusConfigurationError(f"Kafka at {self._servers}: {_describe(error)}") from error
        except (errors.KafkaError, OSError) as error:
            raise BusUnavailableError(f"Kafka at {self._servers}: {_describe(error)}") from error


def _derive_settings(address: KafkaAddress, config: BusConfig) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "bootstrap_servers": list(address.servers),
        "client_id": config.client_id,
        "security_protocol": _PROTOCOLS[address.security],
        "request_timeout_ms": int(config.request_timeout_s * 1000),
        "bootstrap_timeout_ms": int(config.request_timeout_s * 1000),
        "reconnect_backoff_max_ms": _RECONNECT_MAX_MS,
    }
    if address.security in {Security.TLS, Security.SASL_TLS}:
        settings["ssl_context"] = _make_tls_context(address)
    if address.security.has_sasl:
        settings["sasl_mechanism"] = address.mechanism.value
        settings["sasl_plain_username"] = address.username
        settings["sasl_plain_password"] = _Password(config.password)
    return settings


def _make_tls_context(address: KafkaAddress) -> ssl.SSLContext:
    """Make a context that checks the broker's certificate and name, and speaks TLS 1.3 only."""
    try:
        context = ssl.create_default_context(cafile=address.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if address.cert_file:
            context.load_cert_chain(address.cert_file, address.key_file)
    except OSError as error:  # includes ssl.SSLError
        raise BusConfigurationError(f"bus TLS files: {error}") from error
    return context


def _describe(error: BaseException) -> str:
    text = str(error)
    return text if type(error).__name__ in text else f"{type(error).__name__}: {text}"
