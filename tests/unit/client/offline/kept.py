"""What a laptop keeps to be read without the server, as tests look at it."""

import solekey
from solekey_protocol.encoding import parse_cbor
from solekey_protocol.ids import compute_digest


def open_account(home, name="laptop", offline="never", key=None):
    key = key or home.key()
    account = solekey.open(home.folder / name, key=key, offline=offline, runtime=home.runtime)
    return home.stack.enter_context(account)


def wraps_of(home, name="laptop"):
    path = home.folder / name / "wraps.cbor"
    rows = parse_cbor(path.read_bytes(), max_bytes=1_000_000) if path.exists() else []
    return {compute_digest(row) for row in rows}


def parts_of(home, name="laptop"):
    return {path.name for path in (home.folder / name / "kept" / "items").glob("*")}


def words(home):
    path = home.folder / "words"
    path.write_text(home.phrase)
    return f"@{path}"
