"""The devices service: account public keys, device certificates and the trust list. Spec: devices.md.

Map
    commands.py   what a client may ask
    domain.py     decide: pure, over the protocol's DevicesStream
    refusals.py   what is refused beyond the stream's rules
    tables.py     rows beside the events: device names, days of sightings
    sightings.py  when a device was seen last
    api.py        the HTTP API without a framework
    reactions.py  what happens when others' events arrive
    config.py     configuration
    definition.py which streams, tables and reactions: DEFINITION
    service.py    nameko entry points
    __main__.py   ``python -m solekey_devices``
"""
