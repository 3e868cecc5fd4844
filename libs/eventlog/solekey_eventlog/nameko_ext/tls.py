"""TLS 1.3 and nothing older. RFC 8446."""

import ssl
from pathlib import Path


def open_server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Load a certificate chain and its key (PEM) for a server.

    Raises:
        OSError, ssl.SSLError: a file is missing, unreadable, or the key is another certificate's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    return context
