"""The auth service: accounts, login keys, second factors, sessions, token signing keys.

Spec: authentication.md.

Map, pure
    commands.py     what it can be asked to do
    domain.py       decide: which events follow from a command
    refusals.py     what is refused beyond what every service refuses
    limits.py       named limits with units
    credential.py   usernames, KDF parameters, decoys for names that nobody has
    login.py        what the login key signs, and the judgement of a login
    login_key.py    what it signs later: another login key, the account's end
    second_factor.py  what somebody proves beside the password
    totp.py         ... a code of an authenticator app
    recovery_codes.py  ... a recovery code
    passkeys.py     ... a passkey: options, registrations, assertions (WebAuthn)
    cose_keys.py    public keys of passkeys
    brake.py        how often something may be tried, and how long one waits after that
    sources.py      where a request comes from, as far as limits are concerned
    refresh.py      one-time refresh tokens
    operator_key.py what is derived instead of stored
    signing_key.py  the keys that sign access tokens
    key_schedule.py when which of them is announced, signs, and is withdrawn

Map, with rows and time
    accounts.py     registrations, challenges, logins
    account_changes.py  another login key, and the account's end
    sessions.py     sessions from their opening to their end
    issuer.py       access tokens, and the turn of their signing keys
    timers.py       what happens at intervals
    rows.py         the private rows of one transaction
    budgets.py      whose budgets an attempt counts against, and their rows
    passkey_ceremonies.py  passkeys as they are added
    factors.py      second factors listed, removed, proven again
    replacements.py recovery codes and authenticators, in the place of those before
    factor_book.py  second factors as they stand in rows
    passkey_rows.py the rows of passkeys
    closed_names.py the rows of names that nobody gets again
    recovery_rows.py  the rows of recovery codes, and of authenticators to be confirmed
    races.py        transactions that another one was faster than
    tables.py       the tables of these rows

Map, the rim (the same in every service)
    api.py          the HTTP API without a framework
    factor_api.py   ... about second factors
    account_api.py  ... about the login key and the account's end
    bodies.py       the bodies of requests
    reactions.py    what happens when others' events arrive
    config.py       configuration
    definition.py   which streams, tables and reactions: DEFINITION
    service.py      nameko entry points
    __main__.py     ``python -m solekey_auth``
    key_command.py  ``python -m solekey_auth rotate-signing-key``, ``… signing-keys``
"""
