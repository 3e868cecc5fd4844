"""Named maxima of everything that a parser reads. Spec: conventions.md §5."""

KIB = 1024
MIB = 1024 * KIB

MAX_STATEMENT_BYTES = 32 * KIB
"""One signed statement, canonical JSON."""

MAX_EVENT_BYTES = 65_535
"""One event record: the size of a C2SP tlog-tiles entry."""

MAX_SEQ = 2**31 - 1
"""CloudEvents integer extensions are signed 32-bit."""

MAX_SAFE_INTEGER = 2**53 - 1
"""RFC 8785: what every JSON implementation keeps exactly."""

MAX_LEFT_EPOCHS = 64
"""Older epochs that a re-key may leave items under."""
MAX_DEVICES = 64
"""Trusted and pending devices of one account at the same time."""

MAX_WRAP_BYTES = 512
"""One wrapped secret."""

MAX_PART_BYTES = 8 * MIB
"""One content-addressed ciphertext object: a part of an envelope, or a change list."""

MAX_BATCH_BYTES = 8 * MIB
"""One CBOR batch of small objects."""

MAX_BATCH_OBJECTS = 4096
"""Objects in one CBOR batch."""

MAX_CHANGES = 1000
"""Changes in one delta or rekey commit; a snapshot is bounded by its pages."""

MAX_PAGES = 1024
"""Pages of one snapshot."""

MAX_SNAPSHOT_BYTES = 512 * MIB
"""All pages of one snapshot: some 5,000,000 items of one part."""

MAX_PAGE_LIST_BYTES = 64 * KIB
"""The list of a snapshot's pages."""

MAX_DEPTH = 12
"""Nesting of a JSON or CBOR document; the outermost value is level 1, and every value counts."""

MAX_CBOR_VALUES = 2 * MAX_BATCH_OBJECTS
"""Values in a CBOR document, arrays, maps and keys counted too; a change list has a bound of its own."""

MAX_CHANGE_LIST_VALUES = MAX_PART_BYTES // 3
"""Values in a change list: no change or part of one takes less than three bytes a value."""

MAX_EPOCH = 2**31 - 1
"""Data key epochs of one account."""

MIN_CHUNK_SIZE_LOG2 = 12
"""Smallest chunk of an envelope: 4 KiB."""

MAX_CHUNK_SIZE_LOG2 = 22
"""Largest chunk of an envelope, which a reader holds in memory: 4 MiB."""

MIN_INNER_BYTES = 256
"""Smallest inner plaintext of an envelope: the lengths of short secrets do not show."""

MAX_INNER_BYTES = 2**40
"""Largest inner plaintext of an envelope: 1 TiB."""

MAX_METADATA_BYTES = 64 * KIB
"""Canonical JSON of an item's metadata."""

MAX_STATED_LIMITS = 100
"""Limits of histories that a vault states, the newest ones."""
