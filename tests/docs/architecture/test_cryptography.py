"""No server package can decrypt: what it may import of ``cryptography`` is an allow-list; no ``joserfc``.

import-linter sees external packages only as a whole; these tests look inside.
"""

from pathlib import Path

import pytest

from solekey_protocol.services import SERVICES as REGISTRY
from tests.support.tree import SERVER_FOLDERS, Import, find_modules, read_calls, read_imports

VERIFIES = (
    "cryptography.exceptions",
    "cryptography.hazmat.primitives.asymmetric.ed25519.Ed25519PublicKey",
)
"""The protocol verifies signatures and has no use for anything else."""

SIGNS_AND_VERIFIES = (
    *VERIFIES,
    "cryptography.hazmat.primitives.asymmetric.ed25519.Ed25519PrivateKey",
    "cryptography.hazmat.primitives.hashes",
    "cryptography.hazmat.primitives.serialization",
)
"""A service signs its own tokens, and verifies what clients sign; none of this opens a ciphertext."""

MAKES_CERTIFICATES = (
    *SIGNS_AND_VERIFIES,
    *(
        f"cryptography.hazmat.primitives.asymmetric.ec.{name}"
        for name in ("SECP256R1", "EllipticCurvePrivateKey", "generate_private_key")
    ),
    "cryptography.x509",
)
"""The service library makes certificate authorities: with elliptic curves it signs and agrees on no key."""

ALLOWED = dict.fromkeys(SERVER_FOLDERS, SIGNS_AND_VERIFIES) | {
    "solekey_protocol": VERIFIES,
    "solekey_service": MAKES_CERTIFICATES,
    "solekey_standalone": MAKES_CERTIFICATES,
}

CLOCKS_AND_RANDOMNESS = ("now", "utcnow", "today", "uuid1", "uuid4", "uuid7", "open", "generate")


def find_trespasses(package: str, imports: list[Import]) -> list[str]:
    """List the imports from a cryptographic library that the package's allow-list does not have."""
    return [
        str(found)
        for found in imports
        if found.is_within("cryptography") or found.is_within("joserfc")
        if not any(found.is_within(allowed) for allowed in ALLOWED[package])
    ]


@pytest.mark.parametrize("package", SERVER_FOLDERS)
def test_a_server_package_imports_only_the_cryptography_on_its_list(package: str) -> None:
    imports = [found for path in find_modules(package) for found in read_imports(path)]
    assert imports or package == "solekey_standalone"
    assert find_trespasses(package, imports) == []


@pytest.mark.parametrize("package", SERVER_FOLDERS)
@pytest.mark.parametrize(
    "line",
    [
        "from cryptography.hazmat.primitives.ciphers.aead import AESGCM",
        "from cryptography.hazmat.primitives import ciphers",
        "import cryptography.hazmat.primitives.ciphers",
        "from cryptography.fernet import Fernet",
        "from cryptography.hazmat.primitives.keywrap import aes_key_unwrap",
        "from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey",
        "from cryptography.hazmat.primitives import hpke",
        "from cryptography.hazmat import primitives",
        "def late():\n    import cryptography",
        "from joserfc import jwe",
        "import joserfc",
    ],
)
def test_a_planted_decrypting_import_is_found(package: str, line: str) -> None:
    assert find_trespasses(package, list(read_imports(Path("planted.py"), line)))


def test_the_protocol_signs_nothing() -> None:
    line = "from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey"
    planted = list(read_imports(Path("planted.py"), line))
    assert find_trespasses("solekey_protocol", planted)
    assert not find_trespasses("solekey_auth", planted)


def test_the_protocol_asks_no_clock_draws_no_randomness_and_opens_no_file() -> None:
    calls = [
        f"{path.name}:{line} calls {name}"
        for path in find_modules("solekey_protocol")
        for line, name in read_calls(path)
        if name.rpartition(".")[2] in CLOCKS_AND_RANDOMNESS
    ]
    assert calls == []


@pytest.mark.parametrize("call", ["datetime.now(UTC)", "uuid.uuid4()", "open('x')", "PrivateKey.generate()"])
def test_a_planted_clock_or_randomness_is_found(call: str) -> None:
    [(_, name)] = read_calls(Path("planted.py"), call)
    assert name.rpartition(".")[2] in CLOCKS_AND_RANDOMNESS


@pytest.mark.parametrize("package", SERVER_FOLDERS)
def test_no_server_package_imports_by_name_at_run_time(package: str) -> None:
    """An import that is a string would hide from all of these tests.

    One module may: the embedded platform's, of the registry's services, which these tests read themselves.
    """
    dynamic = {
        f"{package}/{path.name}"
        for path in find_modules(package)
        for _, name in read_calls(path)
        if name in {"__import__", "import_module", "importlib.import_module", "exec", "eval"}
    }
    assert dynamic <= {"solekey_standalone/platform.py"}
    assert {entry.package for entry in REGISTRY.values()} <= set(SERVER_FOLDERS)
