"""The local certificate authority: made once, its server certificate renewed in time."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from solekey_standalone.authority import load_or_make_certificates
from solekey_standalone.folder import DataFolder, FolderInUseError, write_private
from solekey_standalone.operator import load_or_make_secret

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_certificates_are_kept_across_starts(tmp_path: Path) -> None:
    first = load_or_make_certificates(tmp_path, "127.0.0.1", NOW)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert load_or_make_certificates(tmp_path, "127.0.0.1", NOW + timedelta(days=300)) == first
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_server_certificate_is_renewed_under_the_same_authority(tmp_path: Path) -> None:
    paths = load_or_make_certificates(tmp_path, "127.0.0.1", NOW)
    authority, server = read(paths.authority), read(paths.server)
    later = NOW + timedelta(days=397 - 29)
    load_or_make_certificates(tmp_path, "127.0.0.1", later)
    assert read(paths.authority) == authority
    assert read(paths.server) != server
    assert read(paths.server).not_valid_after_utc > later + timedelta(days=300)


def test_a_new_host_name_is_added(tmp_path: Path) -> None:
    paths = load_or_make_certificates(tmp_path, "127.0.0.1", NOW)
    load_or_make_certificates(tmp_path, "keys.example.org", NOW)
    names = read(paths.server).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"localhost", "keys.example.org"}
    assert {str(ip) for ip in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1"}


def test_a_key_of_a_start_that_was_interrupted_is_not_served(tmp_path: Path) -> None:
    """A crash between the two writes leaves a new key beside the old certificate."""
    paths = load_or_make_certificates(tmp_path, "127.0.0.1", NOW)
    other = load_or_make_certificates(_folder(tmp_path / "other"), "127.0.0.1", NOW)
    write_private(paths.server_key, other.server_key.read_bytes())
    load_or_make_certificates(tmp_path, "127.0.0.1", NOW)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(paths.server, paths.server_key)


def test_the_authority_signs_servers_only(tmp_path: Path) -> None:
    paths = load_or_make_certificates(tmp_path, "127.0.0.1", NOW)
    authority = read(paths.authority)
    limits = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (limits.ca, limits.path_length) == (True, 0)
    assert not read(paths.server).extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    read(paths.server).verify_directly_issued_by(authority)


def test_secrets_are_made_once_and_are_the_owners_alone(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.prepare()
    first = load_or_make_secret(folder.operator, "operator_key")
    assert load_or_make_secret(folder.operator, "operator_key") == first
    assert load_or_make_secret(folder.operator, "signing_key") != first
    assert len(bytes.fromhex(first.reveal())) == 32
    load_or_make_certificates(folder.tls, "localhost", NOW)
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.path.rglob("*") if path.is_file()}
    assert modes
    assert set(modes.values()) == {0o600}
    assert folder.path.stat().st_mode & 0o077 == 0


def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.prepare()
    with folder.lock(), pytest.raises(FolderInUseError, match="in use"), DataFolder(tmp_path).lock():
        raise AssertionError
    with folder.lock():
        pass


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
