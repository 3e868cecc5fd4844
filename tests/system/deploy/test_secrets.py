"""make_secrets.py makes secrets that are complete, private, of one installation alone, and never replaced."""

import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from tests.support.deployment.compose import DEPLOY, find_variables, make_installation, read_env_file

PUBLIC = {"SOLEKEY_ORIGIN", "SOLEKEY_HTTPS_PORT"}


def test_two_installations_share_no_secret(tmp_path: Path) -> None:
    first, second = make_installation(tmp_path / "a"), make_installation(tmp_path / "b")
    assert set(first) == {variable.name for variable in find_variables()}
    secret = set(first) - PUBLIC
    values = [environ[name] for environ in (first, second) for name in secret]
    assert len(set(values)) == 2 * len(secret)
    assert all(len(first[name]) == 64 for name in secret - {"KAFKA_CLUSTER_ID"})


@pytest.mark.parametrize(
    ("origin", "port"), [("https://keys.example.org", "443"), ("https://localhost:8443", "8443")]
)
def test_the_proxy_listens_on_the_origin_s_port(tmp_path: Path, origin: str, port: str) -> None:
    assert make_installation(tmp_path, origin)["SOLEKEY_HTTPS_PORT"] == port


def test_only_the_owner_can_read_them(tmp_path: Path) -> None:
    make_installation(tmp_path)
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    make_installation(tmp_path)
    before = (tmp_path / ".env").read_bytes()
    with pytest.raises(subprocess.CalledProcessError):
        make_installation(tmp_path)
    assert (tmp_path / ".env").read_bytes() == before


@pytest.mark.parametrize(
    "origin", ["http://keys.example.org", "https://keys.example.org/path", "keys.example.org"]
)
def test_an_origin_that_could_not_work_is_refused(tmp_path: Path, origin: str) -> None:
    command = [sys.executable, DEPLOY / "make_secrets.py", origin, "--folder", tmp_path]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "the origin must be https://host[:port]" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("file", "host"), [("proxy-cert.pem", "keys.example.org"), ("kafka.pem", "kafka")])
def test_the_certificates_verify_for_their_host_alone(tmp_path: Path, file: str, host: str) -> None:
    make_installation(tmp_path, "https://keys.example.org")
    folder = tmp_path / "secrets"
    authority = x509.load_pem_x509_certificate((folder / "ca-cert.pem").read_bytes())
    leaf = x509.load_pem_x509_certificates((folder / file).read_bytes())[0]
    builder = PolicyBuilder().store(Store([authority]))
    assert builder.build_server_verifier(x509.DNSName(host)).verify(leaf, [])
    with pytest.raises(VerificationError):
        builder.build_server_verifier(x509.DNSName("elsewhere.example.org")).verify(leaf, [])


def test_the_proxy_key_belongs_to_its_certificate(tmp_path: Path) -> None:
    make_installation(tmp_path)
    folder = tmp_path / "secrets"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "proxy-cert.pem", folder / "proxy-key.pem")  # raises when they differ


@pytest.mark.parametrize("own", [False, True], ids=["ours", "the operator's"])
def test_certificates_are_renewed_alone(tmp_path: Path, own: bool) -> None:
    """Passwords stay, all certificates change but an operator's own, and nothing is lost."""
    environment, folder = make_installation(tmp_path), tmp_path / "secrets"
    if own:
        make_installation(tmp_path / "elsewhere")
        for name in ("proxy-cert.pem", "proxy-key.pem"):
            (folder / name).write_bytes((tmp_path / "elsewhere" / "secrets" / name).read_bytes())
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    command = [sys.executable, DEPLOY / "make_secrets.py", "https://localhost:8443", "--folder", tmp_path]
    subprocess.run([*command, "--renew-certificates"], check=True, capture_output=True)
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    same = {name for name, content in before.items() if after[name] == content}
    assert after.keys() == before.keys()
    assert same == ({"proxy-cert.pem", "proxy-key.pem"} if own else set())
    assert read_env_file(tmp_path / ".env") == environment
    (old,) = tmp_path.glob("secrets.2*")
    assert {path.name: path.read_bytes() for path in old.iterdir()} == before
    assert old.stat().st_mode & 0o777 == folder.stat().st_mode & 0o777 == 0o700


def test_servers_and_clients_inside_cannot_be_taken_for_each_other(tmp_path: Path) -> None:
    make_installation(tmp_path)
    folder = tmp_path / "secrets"
    builder = PolicyBuilder().store(
        Store([x509.load_pem_x509_certificate((folder / "ca-cert.pem").read_bytes())])
    )
    for name, host in (("auth-tls.pem", "auth"), ("proxy-client.pem", "proxy-client")):
        leaf = x509.load_pem_x509_certificates((folder / name).read_bytes())[0]
        as_server, as_client = (
            builder.build_server_verifier(x509.DNSName(host)),
            builder.build_client_verifier(),
        )
        right, wrong = (as_server, as_client) if host == "auth" else (as_client, as_server)
        assert right.verify(leaf, [])
        with pytest.raises(VerificationError):
            wrong.verify(leaf, [])


def is_trusted(ca_file: Path, folder: Path) -> bool:
    """Tell whether a client that has this file of authorities takes the proxy of these certificates."""
    authorities = x509.load_pem_x509_certificates(ca_file.read_bytes())
    leaf, *chain = x509.load_pem_x509_certificates((folder / "proxy-cert.pem").read_bytes())
    verifier = PolicyBuilder().store(Store(authorities)).build_server_verifier(x509.DNSName("localhost"))
    try:
        verifier.verify(leaf, chain)
    except VerificationError:
        return False
    return True


def test_who_trusts_both_authorities_gets_through_a_renewal(tmp_path: Path) -> None:
    make_installation(tmp_path)
    folder = tmp_path / "secrets"
    command = [sys.executable, DEPLOY / "make_secrets.py", "https://localhost:8443", "--folder", tmp_path]
    (tmp_path / "old.pem").write_bytes((folder / "ca-cert.pem").read_bytes())
    subprocess.run([*command, "--prepare-certificates"], check=True, capture_output=True)
    again = subprocess.run([*command, "--prepare-certificates"], check=False, capture_output=True, text=True)
    assert (again.returncode, "are prepared" in again.stderr) == (1, True)
    (tmp_path / "both.pem").write_bytes((folder / "ca-cert.pem").read_bytes())
    prepared = (tmp_path / "secrets.next" / "proxy-cert.pem").read_bytes()
    for name in ("old.pem", "both.pem"):
        assert is_trusted(tmp_path / name, folder)

    subprocess.run([*command, "--renew-certificates"], check=True, capture_output=True)
    assert (folder / "proxy-cert.pem").read_bytes() == prepared
    assert not (tmp_path / "secrets.next").exists()
    assert is_trusted(tmp_path / "both.pem", folder)
    assert is_trusted(folder / "ca-cert.pem", folder)
    assert not is_trusted(tmp_path / "old.pem", folder)  # the positive control
    assert len(x509.load_pem_x509_certificates((folder / "ca-cert.pem").read_bytes())) == 1
