"""Generate spec/vectors/*.json: what every implementation of the spec must agree on. Spec: conventions.md §9.

Run: ``python spec/generate_vectors.py``; ``--check`` changes nothing and fails when a file differs (CI does).
"""

import sys
from pathlib import Path

from vector_makers import (
    auth_stream,
    canonical_json,
    cbor,
    chain,
    change_list,
    device_code,
    device_key,
    devices_stream,
    envelope,
    envelope_size,
    event,
    identifier,
    item_name,
    lineage,
    login_key,
    padme,
    page_list,
    phrase,
    rotation_stream,
    statement,
    user_key,
    vault_stream,
    wrap,
)

FOLDER = Path(__file__).parent / "vectors"
NOUNS = (
    identifier,
    canonical_json,
    cbor,
    statement,
    phrase,
    user_key,
    wrap,
    login_key,
    device_key,
    item_name,
    padme,
    envelope_size,
    envelope,
    device_code,
    event,
    chain,
    auth_stream,
    devices_stream,
    vault_stream,
    rotation_stream,
    lineage,
    change_list,
    page_list,
)


def main() -> int:
    """Write or check every file; returns the number of files that differ."""
    check = "--check" in sys.argv[1:]
    FOLDER.mkdir(exist_ok=True)
    files = [noun.make_file() for noun in NOUNS]
    wanted = {FOLDER / f"{file.noun}.json": file.encode() for file in files}
    stale = [path for path in FOLDER.glob("*.json") if path not in wanted]
    differing = [p for p, text in wanted.items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    for path in [*differing, *stale]:
        print(f"{path.name}: {'stale' if path in stale else 'differs'}")
    if check:
        return len(differing) + len(stale)
    for path in stale:
        path.unlink()
    for path in differing:
        path.write_text(wanted[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
