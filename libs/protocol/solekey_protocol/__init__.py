"""The verifier's half of Solekey: ids, encoding, statements, events, chains. No I/O, clock or secret key.

Map
    Bytes
        encoding.py   canonical JSON and base64url; cbor.py: deterministic CBOR
        ids.py        identifiers, each a type; limits.py: named maxima of all that is parsed
        services.py   the services and their streams, one entry each
    Events
        events/       the catalogue: one class an event; schemas.py: their closed JSON Schemas
        statements.py what a client signs; event.py: the record on the bus
        typed_records.py  records decoded in one pass, for an auditor of millions
        partition.py  which partition an account's events go to; heartbeat.py: how far a producer is
    Rules
        streams/      the folds: which event may come next in one stream
        lineage/      the rules that tie an account's streams together
        pinned_heads.py  how far a device has followed, signed by it
        accepted_restoration.py  that a user goes on with a restored server, signed with the user key
    What the server stores and cannot open
        envelope.py   header and sizes of an encrypted item; wrap.py: of a wrapped secret
        change_list.py  what a commit changes; page_list.py: what a snapshot states
        items.py      which items there are, as of the commits
    errors.py         what is refused, with stable codes
"""
