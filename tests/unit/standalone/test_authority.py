"""The local certificate authority: made once, for its names alone, and clear about what is wrong with it."""

import os
import shutil
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from solekey_service.authority import AUTHORITY_LIFETIME, Authority, encode_certificate
from solekey_standalone.authority import AuthorityError, load_or_make_authority
from solekey_standalone.certificates import load_or_make_certificates
from solekey_standalone.folder import DataFolder, FolderInUseError
from solekey_standalone.operator import load_or_make_secret

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def load(folder: Path, host: str = "keys.example.org", now: datetime = NOW) -> Authority:
    return load_or_make_authority(folder / "ca.pem", folder / "ca.key", host, now)


def issue(authority: Authority, host: str) -> x509.Certificate:
    return authority.issue("a server", (host,), NOW, timedelta(days=90))[1]


def verify(authority: Authority, server: x509.Certificate, host: str) -> None:
    """Judge a chain as a client would, by another verifier than the one that made it. RFC 5280 §6."""
    builder = PolicyBuilder().store(Store([authority.certificate])).time(NOW)
    builder.build_server_verifier(x509.DNSName(host)).verify(server, [])


def test_it_signs_servers_only_and_no_further_authority(tmp_path: Path) -> None:
    authority = load(tmp_path).certificate
    limits = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (limits.critical, limits.value.ca, limits.value.path_length) == (True, True, 0)
    usage = authority.extensions.get_extension_for_class(x509.KeyUsage)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.digital_signature) == (True, True, False)
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical  # whoever does not know them refuses it
    purposes = authority.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]
    server = issue(load(tmp_path), "keys.example.org")
    assert not server.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    purposes = server.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]
    server.verify_directly_issued_by(authority)


def test_it_vouches_for_its_own_names_alone(tmp_path: Path) -> None:
    """What its stolen key signs for other names, a client refuses."""
    authority = load(tmp_path, "keys.example.org")
    verify(authority, issue(authority, "keys.example.org"), "keys.example.org")
    for other in ("bank.example", "example.org"):
        with pytest.raises(VerificationError):
            verify(authority, issue(authority, other), other)


def test_without_the_constraints_it_would_vouch_for_any_name(tmp_path: Path) -> None:
    """The positive control of the test above: the same verifier, an authority without constraints."""
    authority = take_constraints_out(load(tmp_path, "keys.example.org"))
    verify(authority, issue(authority, "bank.example"), "bank.example")


def take_constraints_out(authority: Authority) -> Authority:
    old = authority.certificate
    builder = x509.CertificateBuilder(
        issuer_name=old.issuer,
        subject_name=old.subject,
        public_key=authority.key.public_key(),
        serial_number=old.serial_number,
        not_valid_before=old.not_valid_before_utc,
        not_valid_after=old.not_valid_after_utc,
        extensions=[each for each in old.extensions if not isinstance(each.value, x509.NameConstraints)],
    )
    return Authority(builder.sign(authority.key, hashes.SHA256()), authority.key)


def test_it_is_not_used_for_a_host_that_it_was_not_made_for(tmp_path: Path) -> None:
    load(tmp_path, "keys.example.org")
    load(tmp_path, "localhost")  # this machine's own names are always there
    load(tmp_path, "::1")
    with pytest.raises(AuthorityError, match=r"may not vouch for 192\.0\.2\.7.*--ca"):
        load(tmp_path, "192.0.2.7")


def test_one_that_may_vouch_for_any_name_is_not_used(tmp_path: Path) -> None:
    certificate = take_constraints_out(load(tmp_path)).certificate
    (tmp_path / "ca.pem").write_bytes(encode_certificate(certificate))
    with pytest.raises(AuthorityError, match="any name"):
        load(tmp_path)


def spoil(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n")


def swap_key(folder: Path) -> None:
    other = folder / "other"
    other.mkdir()
    load(other)
    shutil.copy(other / "ca.key", folder / "ca.key")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (spoil("ca.pem"), r"ca\.pem is damaged"),
        (spoil("ca.key"), r"ca\.key is damaged"),
        (lambda folder: (folder / "ca.key").unlink(), r"ca\.key is missing"),
        (swap_key, r"ca\.key is not the key of"),
        (lambda folder: (folder / "ca.key").chmod(0o640), r"ca\.key can be read by others: chmod 600"),
    ],
    ids=["certificate", "key", "no key", "another key", "readable"],
)
def test_what_is_wrong_with_its_files_is_said_and_nothing_is_overwritten(
    tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    """A new authority would lock every client out that has pinned the old one: that is for a person to do."""
    load(tmp_path)
    damage(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("ca.*")}
    with pytest.raises(AuthorityError, match=said + r".*restore the folder .* or move it away.*--ca"):
        load(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.glob("ca.*")} == before


def test_one_that_is_over_is_not_used(tmp_path: Path) -> None:
    load(tmp_path)
    load(tmp_path, now=NOW + AUTHORITY_LIFETIME - timedelta(seconds=1))
    with pytest.raises(AuthorityError, match=r"was good until 2036-11-20: .*--ca"):
        load(tmp_path, now=NOW + AUTHORITY_LIFETIME)


def test_a_clock_that_is_behind_is_told_apart_from_a_damaged_authority(tmp_path: Path) -> None:
    load(tmp_path)
    load(tmp_path, now=NOW - timedelta(minutes=5))
    with pytest.raises(AuthorityError, match=r"begins at 2026-11-23 11:55 UTC.*set the clock"):
        load(tmp_path, now=NOW - timedelta(minutes=6))


def test_an_interrupted_first_start_is_begun_again(tmp_path: Path) -> None:
    """A crash between the two writes leaves the key alone."""
    load(tmp_path)
    (tmp_path / "ca.pem").unlink()
    load(tmp_path)


def test_secrets_are_made_once_and_are_the_owners_alone(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.prepare()
    first = load_or_make_secret(folder.operator, "operator_key")
    assert load_or_make_secret(folder.operator, "operator_key") == first
    assert load_or_make_secret(folder.operator, "signing_key") != first
    assert len(bytes.fromhex(first.reveal())) == 32
    load_or_make_certificates(folder.tls, "localhost", NOW)
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.path.rglob("*") if path.is_file()}
    assert {"ca.key", "server.key", "operator_key"} <= modes.keys()
    assert set(modes.values()) == {0o600}
    assert folder.path.stat().st_mode & 0o077 == 0


def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.prepare()
    with folder.lock(), pytest.raises(FolderInUseError, match="in use"), DataFolder(tmp_path).lock():
        raise AssertionError
    with folder.lock():
        pass


def test_python_s_own_verifier_accepts_the_authority_in_its_strict_mode(tmp_path: Path) -> None:
    """Python 3.13's default; RFC 5280's musts on extensions."""
    certificates = load_or_make_certificates(tmp_path, "127.0.0.1")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificates.server, certificates.server_key)
    client = ssl.create_default_context(cafile=certificates.authority)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_client, to_server = (ssl.MemoryBIO() for _ in range(2))
    ours = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (ours, theirs, ours):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert ours.version() == "TLSv1.3"
    assert ours.getpeercert()["subjectAltName"]


def test_a_folder_and_files_that_were_open_to_others_are_closed(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    umask = os.umask(0)
    try:
        for name in ("operator", "tls", "objects"):
            (folder.path / name).mkdir(parents=True)
        files = [
            folder.path / "auth.db",
            folder.path / "bus.db-wal",
            folder.operator / "key",
            folder.tls / "ca.key",
        ]
        for file in files:
            file.write_bytes(b"x")
        assert all(file.stat().st_mode & 0o077 for file in files)  # control
        folder.prepare()
    finally:
        os.umask(umask)
    assert [path for path in (folder.path, *folder.path.rglob("*")) if path.stat().st_mode & 0o077] == []
