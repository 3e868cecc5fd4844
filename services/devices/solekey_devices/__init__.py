"""The devices service: account public keys, device certificates and the trust list. Spec: devices.md.

Map
    definition.py  what makes the service different from the others: DEFINITION
    api.py         what it answers
    statements.py  the statements that it takes
    domain.py      pure: the name behind a commitment
    device_name.py what an owner calls a device
    repository.py  names and sightings, in rows
    tables.py      the rows beside the events
    refusals.py    what is refused beyond the stream's rules
    config.py      configuration
    __main__.py    ``python -m solekey_devices``
"""
