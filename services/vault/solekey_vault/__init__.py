"""The vault service: wrapped data keys, commits and ciphertext objects. Spec: vault.md.

Map
    commands.py    what a client may ask, with the facts that deciding needs
    domain.py      decide: pure, over the protocol's VaultStream
    refusals.py    what is refused beyond the stream's rules
    tables.py      rows beside the events: opaque bytes, read model
    objects.py     ObjectStore: rows for small objects, a folder or bucket for large ones
    shelf.py       which objects an account has; visible once durable
    wraps.py       the bytes of wraps
    closed_accounts.py  what closed accounts leave, until it is purged
    items.py       the read model of the items, and its rebuilding
    bookkeeping.py facts before a decision, rows after it
    ranges.py      byte ranges
    api.py         the HTTP API without a framework
    reactions.py   what happens when others' events arrive
    config.py      configuration
    definition.py  which streams, tables and reactions: DEFINITION
    service.py     nameko entry points
    __main__.py    ``python -m solekey_vault``
"""
