"""TLS as the client speaks it: version 1.3, the given authority or the system's, no environment.

`ssl.create_default_context` would take an authority from SSL_CERT_FILE and SSL_CERT_DIR, and write the
connection's keys to SSLKEYLOGFILE. Spec: conventions.md §7.
"""

import ssl
import sys
from pathlib import Path

from solekey.files.any_path import AnyPath


def make_tls_context(ca_file: AnyPath | None) -> ssl.SSLContext:
    """Make the context of a connection that verifies the server's certificate and name.

    Args:
        ca_file: PEM file of the only authority; None: the system's authorities.

    Raises:
        OSError, ssl.SSLError: the file is not readable, or no PEM file of certificates.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if ca_file is not None:
        context.load_verify_locations(cafile=str(ca_file))
    elif sys.platform == "win32":
        for store in ("CA", "ROOT"):
            for certificate, encoding, trust in ssl.enum_certificates(store):
                if encoding == "x509_asn" and (trust is True or ssl.Purpose.SERVER_AUTH.oid in trust):
                    context.load_verify_locations(cadata=certificate)
    else:
        _load_system(context)
    return context


def _load_system(context: ssl.SSLContext) -> None:
    """Load what OpenSSL was built to look at; `ssl.DefaultVerifyPaths.cafile` would be the environment's."""
    paths = ssl.get_default_verify_paths()
    cafile, capath = Path(paths.openssl_cafile), Path(paths.openssl_capath)
    if cafile.is_file() or capath.is_dir():
        context.load_verify_locations(
            cafile=str(cafile) if cafile.is_file() else None, capath=str(capath) if capath.is_dir() else None
        )
