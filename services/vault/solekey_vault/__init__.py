"""The vault service: wrapped data keys, commits and ciphertext objects. Spec: vault.md.

Map
    definition.py  what makes the service different from the others: DEFINITION
    api.py         what it answers
    statements.py  the statements that it takes: their context before, their rows afterwards
    context.py     what is stored of what a statement names
    domain.py      pure: verifies a statement against its context
    change_lists.py  change lists, read before the transaction; long_lists.py: the process for long ones
    snapshots.py   compares the pages of a snapshot with what there is
    object_repository.py  which objects an account has; visible once durable
    objects.py     where their bytes lie: rows for small ones, blobs for large ones
    blobs.py       a folder or bucket
    store_check.py whether the object store is the database's own
    wrap_repository.py  the bytes of wraps
    item_repository.py  the read model of the items, and its rebuilding
    usage_repository.py  how much each account stores, sends and may; quota_command.py: the operator's command
    stale_upload_repository.py  what was sent before a re-key, and nothing names after it
    closed_account_repository.py  what closed accounts leave, until it is purged
    purge.py       deletes what nothing names, and what is over its grace time
    ranges.py      byte ranges
    tables.py      the rows beside the events: opaque bytes, read model
    refusals.py    what is refused beyond the stream's rules
    config.py      what the service is told
    __main__.py    ``python -m solekey_vault``
"""
