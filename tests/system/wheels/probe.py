"""Runs inside the fresh environment, alone: what is wrong with the installed client, one finding a line."""

import importlib
import importlib.resources
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Iterator

SERVER = ("nameko", "eventlet", "sqlalchemy", "alembic", "psycopg", "kafka", "obstore", "werkzeug", "joserfc")
OURS = ("eventlog", "service", "auth", "devices", "vault", "rotation", "transparency", "standalone")
PUBLIC = ("solekey", *(f"solekey.{room}" for room in ("crypto", "errors", "audit", "recovery", "providers")))
EXTRAS = {"keyring", "pkcs11", "pandas", "kafka", "pytest"}  # what the extras bring, and whoever tests an app


def find_server_parts() -> Iterator[str]:
    """What belongs to servers alone must not be importable."""
    for name in (*SERVER, *(f"solekey_{service}" for service in OURS)):
        if importlib.util.find_spec(name) is not None:
            yield f"{name} is installed"


def find_broken_modules() -> Iterator[str]:
    """Every module can be imported, but those of an extra; and every public name."""
    import solekey
    import solekey_protocol

    for package in (solekey, solekey_protocol):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            try:
                importlib.import_module(module.name)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is a finding
                if not isinstance(error, ModuleNotFoundError) or error.name not in EXTRAS:
                    yield f"{module.name} does not import: {error!r}"
        if not importlib.resources.files(package).joinpath("py.typed").is_file():
            yield f"{package.__name__} is not typed"
    for name in PUBLIC:
        public = importlib.import_module(name)
        yield from (f"{name}.{what} is missing" for what in public.__all__ if not hasattr(public, what))


def find_broken_seal() -> Iterator[str]:
    """A key seals and opens, through words and a wrap."""
    from solekey.crypto import (
        DataKey,
        ItemContext,
        ItemMetadata,
        UserKey,
        WrapContext,
        open_bytes,
        open_wrap,
        seal_bytes,
        seal_wrap,
    )
    from solekey_protocol.ids import AccountId, ItemId

    account, item = AccountId.from_raw(os.urandom(16)), ItemId.from_raw(os.urandom(16))
    phrase = UserKey.make().to_phrase()
    wrapping_key = UserKey.from_phrase(phrase).derive_wrapping_key(account)
    place = WrapContext(account, epoch=1, wrap_version=1, key_id=wrapping_key.key_id)
    wrap = seal_wrap(wrapping_key, DataKey.make(1, os.urandom), place, os.urandom)
    data_key, context = open_wrap(wrapping_key, wrap, place), ItemContext(account, item, 1)
    metadata = ItemMetadata("notes", "text/plain", 0, 0)
    envelope = seal_bytes(b"hello", metadata=metadata, data_key=data_key, context=context, random=os.urandom)
    if open_bytes(envelope, data_key=data_key, context=context).content != b"hello":
        yield "a sealed text does not come back"


def main() -> int:
    """Print the findings."""
    findings: list[str] = []
    for search in (find_server_parts, find_broken_modules, find_broken_seal):
        try:
            findings += search()
        except Exception as error:  # noqa: BLE001  # whatever it is, it is a finding
            findings.append(f"{search.__name__}: {error!r}")
    print("\n".join(findings))
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
