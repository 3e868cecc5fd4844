"""TLS 1.3 and nothing older, with certificates that may be replaced while the server runs. RFC 8446.

Every connection shakes hands anew: no session tickets, no early data. What is new on disk is served from the
next connection on; what is broken on disk is logged, and the last good certificate stays.
"""

import logging
import ssl
from pathlib import Path

_log = logging.getLogger(__name__)

_Seen = tuple[tuple[int, int], ...]


class ServerTls:
    """A server's certificate, and optionally the authority that must have certified its clients."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        """Load the PEM files.

        Args:
            certificate: the chain, the server's own certificate first.
            key: its key, without a passphrase.
            client_ca: with it, only clients with a certificate of this authority are served.

        Raises:
            OSError, ssl.SSLError: a file is missing, unreadable, or the key is another certificate's.
        """
        self._certificate = certificate
        self._key = key
        self._client_ca = client_ca
        self._seen = self._read_versions()
        self.context = self._load()
        """For the next connection; another one after each change."""

    def reload(self) -> bool:
        """Load what has changed on disk, if anything has. True: the next connection gets it."""
        try:
            seen = self._read_versions()
            if seen == self._seen:
                return False
            self._seen = seen
            self.context = self._load()
        except OSError as error:  # ssl.SSLError is one: half of the files written, or damaged
            _log.error("the new TLS certificate is not used: %s", error)
            return False
        _log.info("a new TLS certificate is served")
        return True

    def _read_versions(self) -> _Seen:
        files = [path for path in (self._certificate, self._key, self._client_ca) if path is not None]
        return tuple((status.st_ino, status.st_mtime_ns) for status in (path.stat() for path in files))

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        context.load_cert_chain(self._certificate, self._key, password="")
        context.set_alpn_protocols(["http/1.1"])
        if self._client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self._client_ca)
        return context
