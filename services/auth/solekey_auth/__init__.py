"""The auth service: accounts, login keys, second factors, sessions, token signing keys.

Spec: authentication.md, factors.md, tokens.md, rate-limits.md.

Map, the rooms
    accounts/       registered, logged in to, given another login key, closed
    factors/        second factors: added, listed, removed, proven
    sessions/       from their opening to their end, and their refresh tokens
    credentials/    who has which name, and what a login key signs
    signing_keys/   the keys that sign access tokens, and the tokens
    rate_limits/    how often something may be tried

Map, what the rooms stand on
    domain.py       decide: which events follow from a command
    commands.py     what the service can be asked to do
    refusals.py     what is refused beyond what every service refuses
    limits.py       named limits with units
    operator_key.py what is derived instead of stored
    retry.py        transactions that another one was faster than
    tables.py       the private tables

Map, the rim (the same in every service)
    api.py          the HTTP API without a framework
    timers.py       what happens at intervals
    reactions.py    what happens when others' events arrive
    config.py       configuration
    definition.py   which streams, tables and reactions: DEFINITION
    service.py      nameko entry points
    __main__.py     ``python -m solekey_auth``
"""
