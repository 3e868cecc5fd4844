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

MAX_CHANGES = 10_000
"""Changes in one delta or rekey commit; a snapshot is bounded by MAX_PART_BYTES alone."""

MAX_JSON_DEPTH = 12
"""Nesting of a JSON document."""

MAX_EPOCH = 2**31 - 1
"""Data key epochs of one account."""
