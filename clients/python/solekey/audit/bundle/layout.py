"""Names of files in a bundle, and limits of what a reader accepts. Spec: audit-bundle.md §1, §4."""

import re
from typing import Final

FORMAT: Final = "solekey-audit-bundle/v1"
SIGNING_CONTEXT: Final = b"solekey/audit-bundle/v1\x00"

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
BUS: Final = "bus.json"
SCHEMAS: Final = "schemas.json"
STORED: Final = "stored.part"

PART_BYTES: Final = 8 * 1024 * 1024
"""A part is closed once its records, uncompressed, have so many bytes."""
MAX_VALUE_BYTES: Final = 64 * 1024 * 1024
"""The longest key, value or header of a record; Kafka's default is 1 MiB."""
MAX_PART_BYTES: Final = 2 * MAX_VALUE_BYTES
"""What a part may hold uncompressed."""
MAX_STORED_BYTES: Final = 64 * 1024**3
"""What the list of stored objects may hold uncompressed; it is read as a stream."""
MAX_MANIFEST_BYTES: Final = 64 * 1024 * 1024
MAX_BUS_BYTES: Final = 16 * 1024 * 1024
MAX_FILES: Final = 200_000

_RECORDS: Final = re.compile(r"records/([A-Za-z0-9._-]{1,249})/([0-9]{1,9})/([0-9]{20})\.part")
_OTHERS: Final = frozenset({BUS, SCHEMAS, STORED})


def name_part(topic: str, partition: int, offset: int) -> str:
    """Name the part that begins with a record."""
    return f"records/{topic}/{partition}/{offset:020}.part"


def parse_part_name(path: str) -> tuple[str, int, int] | None:
    """Find the topic, partition and first offset of a part; None where the path names none."""
    match = _RECORDS.fullmatch(path)
    if match is None or match[1] in {".", ".."}:
        return None
    topic, partition, offset = match[1], int(match[2]), int(match[3])
    return (topic, partition, offset) if path == name_part(topic, partition, offset) else None


def is_path(path: str) -> bool:
    """Tell whether a manifest may name a file so. No such path leads out of the bundle."""
    return parse_part_name(path) is not None or path in _OTHERS
