"""The rotation service: policies, due dates and rotation sagas. Spec: rotation.md.

Map
    definition.py  what makes the service different from the others: DEFINITION
    api.py         what it answers
    statements.py  the statements that it takes
    domain.py      pure: what is refused beyond the stream's rules, and what becomes due
    key_ages.py    since when keys are in force, and when a rotation is due
    schedule.py    keeps key ages up to date; states what is due
    repository.py  KeyAgeRepository: their rows
    tables.py      the tables beside the events
    refusals.py    what is refused beyond the stream's rules
    config.py      configuration
    __main__.py    ``python -m solekey_rotation``
"""
