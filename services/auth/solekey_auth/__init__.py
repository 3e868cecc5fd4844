"""The auth service: accounts, login keys, second factors, sessions, token signing keys.

Spec: authentication.md, factors.md, tokens.md, rate-limits.md.

Map, the rooms; each may import those below it
    key_change/     another operator key: put in force at a start; what derived from the former one is moved
    accounts/       registrations, another login key, closing; their API, the operator's commands
    sessions/       logins, sessions from their opening to their end, and their tokens
    factors/        second factors: enrolled, listed, removed, proven; "how to add a factor"
    signing_keys/   the keys that sign access tokens
    credentials/    who has which name, and how its password is stretched
    rate_limits/    how often something may be tried

In a room, ``repository.py`` holds all of its SQL, and the modules whose docstrings say "Pure" take rows, time
and randomness as arguments; the contract ``pure-auth`` holds them to it.

Map, what the rooms stand on
    domain.py       decisions: which events follow from a request (pure)
    operator_key.py what is derived instead of stored, from the operator's keys (pure)
    limits.py       named limits with units (pure)
    refusals.py     what is refused beyond what every service refuses (pure)
    tables.py       the private tables

Map, the rim (the same in every service)
    api.py          builds all of the above; each room answers its own requests in ``api.py``
    timers.py       what happens at intervals
    config.py       configuration
    definition.py   what makes the service different from the others: DEFINITION
    __main__.py     ``python -m solekey_auth``
"""
