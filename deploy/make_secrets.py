"""Make what a new installation must not share with any other: passwords, service keys, certificates.

Writes ``.env`` for Docker Compose and the folder ``secrets/`` with the certificates, and refuses to overwrite
either: with an operator key that is lost, every account loses its second factor.

Usage: python deploy/make_secrets.py https://keys.example.org [--folder deploy]
    [--prepare-certificates | --renew-certificates]

The authority that it makes signs the certificates inside the installation, and one for the proxy that works
at once, but only for who trusts this authority: replace ``secrets/proxy-cert.pem`` and
``secrets/proxy-key.pem`` by your own. Certificates live for 397 days. The authority's key is kept nowhere, so
renewing makes another one and all certificates anew, but for your own of the proxy. Where they were prepared
some time before, clients that have the ca-cert.pem of then trust the next authority already.
"""

import argparse
import base64
import os
import secrets
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature

sys.path.extend(  # where nothing of ours is installed
    str(Path(__file__).parents[1] / "libs" / name) for name in ("protocol", "service")
)
from solekey_protocol.services import Service  # needs the lines above, and nothing else of ours
from solekey_service.authority import (  # the same
    CLIENT,
    SERVER,
    encode_certificate,
    encode_key,
    make_authority,
)

CERTIFICATE_LIFETIME = timedelta(days=397)
BROKERS = ("kafka", "kafka-2", "kafka-3")  # their hosts in Compose
SECRET_BYTES = 32
CLUSTER_ID_BYTES = 16
NEXT = "secrets.next"


def fill_environment(example: str, origin: str) -> str:
    """Fill the empty values of ``.env.example``: each is a secret but the origin and the cluster's name.

    A line that begins with ``<SERVICE>`` is written for each service. The proxy's port is the origin's.
    """
    lines = []
    for line in _write_for_each_service(example.splitlines()):
        name, equals, value = line.partition("=")
        if equals and not value and not line.startswith("#"):
            value = _fill(name, origin)
        elif name == "SOLEKEY_HTTPS_PORT":
            value = str(urlsplit(origin).port or value)
        lines.append(f"{name}{equals}{value}")
    return "\n".join(lines) + "\n"


def _write_for_each_service(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if line.startswith("<SERVICE>"):
            yield from (line.replace("<SERVICE>", service.value.upper()) for service in Service)
        else:
            yield line


def write_certificates(folder: Path, host: str) -> None:
    """Write the authority's certificate, and a key with its chain for each server and each client.

    The folder is the owner's alone; the files in it are readable, because each container has its own user.
    """
    now = datetime.now(UTC)
    authority = make_authority("Solekey installation CA", now)
    ca_pem = encode_certificate(authority.certificate)

    def make(purpose: x509.ObjectIdentifier, *hosts: str) -> tuple[bytes, bytes]:
        key, certificate = authority.issue(hosts[0], hosts, now, CERTIFICATE_LIFETIME, purpose)
        return encode_key(key), encode_certificate(certificate) + ca_pem

    files = {"ca-cert.pem": ca_pem}
    files["kafka.pem"] = b"".join(make(SERVER, *BROKERS))
    files["auditors.pem"] = b"".join(make(SERVER, host))  # the broker's, with auditor.yml alone
    files["proxy-key.pem"], files["proxy-cert.pem"] = make(SERVER, host)
    for name in Service:  # what follows is used with mtls.yml alone
        files[f"{name}-tls.pem"] = b"".join(make(SERVER, name, "localhost"))
    for name in ("proxy-client", "health-client"):
        files[f"{name}.pem"] = b"".join(make(CLIENT, name))
    files |= _make_brokers_files(now)
    folder.mkdir(mode=0o700)
    for name, content in files.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o644)


def _make_brokers_files(now: datetime) -> dict[str, bytes]:
    """Make what brokers show each other (three-brokers.yml), of an authority that certifies nobody else."""
    authority = make_authority("Solekey brokers CA", now)
    key, certificate = authority.issue("brokers", BROKERS, now, CERTIFICATE_LIFETIME, SERVER, CLIENT)
    ca_pem = encode_certificate(authority.certificate)
    return {
        "brokers-ca.pem": ca_pem,
        "brokers.pem": encode_key(key) + encode_certificate(certificate) + ca_pem,
    }


def prepare_certificates(folder: Path, host: str) -> Path:
    """Make the next certificates beside ``folder``, whose authority file then holds both authorities.

    Until they are put in place nothing but that file changes: who trusts it gets through the change.
    """
    following = folder.with_name(NEXT)
    write_certificates(following, host)
    present = (folder / "ca-cert.pem").read_bytes()
    (folder / "ca-cert.pem").write_bytes(present + (following / "ca-cert.pem").read_bytes())
    return following


def renew_certificates(folder: Path, host: str) -> Path:
    """Put new certificates in the place of ``folder``, prepared ones if there are any.

    Returns where the old ones are now.
    """
    draft, old = (
        folder.with_name("secrets.new"),
        folder.with_name(f"secrets.{datetime.now(UTC):%Y%m%dT%H%M%S}"),
    )
    prepared = folder.with_name(NEXT)
    if prepared.exists():
        prepared.rename(draft)
    else:
        write_certificates(draft, host)
    authority = x509.load_pem_x509_certificate((folder / "ca-cert.pem").read_bytes())
    proxy = x509.load_pem_x509_certificate((folder / "proxy-cert.pem").read_bytes())
    if not _is_issued_by(proxy, authority):  # the operator's own
        for name in ("proxy-cert.pem", "proxy-key.pem"):
            (draft / name).write_bytes((folder / name).read_bytes())
    folder.rename(old)
    draft.rename(folder)
    return old


def write_environment(path: Path, content: str) -> None:
    """Write the file, readable by its owner alone. Raises FileExistsError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)


def main() -> None:
    """Make the secrets of one installation."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "origin", help="the https address that clients will use, such as https://keys.example.org"
    )
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent)
    parser.add_argument(
        "--renew-certificates", action="store_true", help="no password or service key changes"
    )
    parser.add_argument(
        "--prepare-certificates",
        action="store_true",
        help="make the next ones, and a ca-cert.pem of both; --renew-certificates puts them in place",
    )
    arguments = parser.parse_args()
    origin = urlsplit(arguments.origin)
    if origin.scheme != "https" or not origin.hostname or arguments.origin != f"https://{origin.netloc}":
        parser.error("the origin must be https://host[:port], without a path")
    environment, certificates = arguments.folder / ".env", arguments.folder / "secrets"
    if arguments.prepare_certificates:
        if certificates.with_name(NEXT).exists():
            sys.exit(f"{certificates.with_name(NEXT)} exists: the next certificates are prepared.")
        print(f"The next certificates are in {prepare_certificates(certificates, origin.hostname)}.")
        print(f"Give {certificates / 'ca-cert.pem'} to clients and auditors, then renew the certificates.")
        return
    if arguments.renew_certificates:
        print(f"The certificates from before are in {renew_certificates(certificates, origin.hostname)}.")
        return
    if environment.exists() or certificates.exists():
        sys.exit(f"{environment} or {certificates} exists: this installation has its secrets already.")
    write_certificates(certificates, origin.hostname)
    example = Path(__file__).with_name(".env.example").read_text()
    write_environment(environment, fill_environment(example, arguments.origin))
    print(
        f"Wrote {environment} and {certificates}. Back up {environment}: without it nobody can log in again."
    )


def _fill(name: str, origin: str) -> str:
    if name == "SOLEKEY_ORIGIN":
        return origin
    if name == "KAFKA_CLUSTER_ID":  # base64url of 16 bytes; a first character "-" would look like an option
        random = b"\0" + secrets.token_bytes(CLUSTER_ID_BYTES - 1)
        return base64.urlsafe_b64encode(random).decode().rstrip("=")
    return secrets.token_hex(SECRET_BYTES)


def _is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


if __name__ == "__main__":
    main()
