"""The rotation service: policies, due dates and rotation sagas. Spec: rotation.md.

Map
    commands.py   what a client may ask
    domain.py     decide: pure, over the protocol's RotationStream
    refusals.py   what is refused beyond the stream's rules
    key_ages.py   since when keys are in force, and when a rotation is due
    schedule.py   keeps key ages up to date; announces what is due
    tables.py     rows beside the events: key ages
    api.py        the HTTP API without a framework
    reactions.py  what happens when others' events arrive
    config.py     configuration
    definition.py which streams, tables and reactions: DEFINITION
    service.py    nameko entry points
    __main__.py   ``python -m solekey_rotation``
"""
