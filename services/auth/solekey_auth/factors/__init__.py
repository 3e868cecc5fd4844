"""Second factors: authenticator apps, recovery codes and passkeys.

Spec: factors.md.

Map, pure
    totp.py             codes of an authenticator app
    recovery_codes.py   codes that work once
    passkeys.py         WebAuthn: options, registrations, assertions; cose_keys.py: their public keys
    proof.py            Proof: what a client sends; Verifier: finds what it proves

Map, with rows
    repository.py       FactorRepository: all rows of factors
    factors.py          Factors: listed, removed, stepped up with
    enrolment.py        Enrolment: added, or put in the place of others
    api.py              FactorApi: their part of the HTTP API

How to add a factor
    1. ``solekey_protocol.events.auth.Factor`` gets its kind; factors.md a section; ``make generate``.
    2. A pure module here, such as ``totp.py``: parse what is sent, derive the factor's id, verify a proof.
    3. ``proof.py``: a member of ``Proof`` and of ``Proven``, a case in ``parse_proof`` and ``find_proven``.
    4. ``tables.py`` and ``repository.py``: its rows, and their deletion in ``delete_all``; what its proof is
       checked against in ``find_checked``, what it uses up in ``use``; a migration.
    5. ``enrolment.py`` and ``api.py``: how an account gets one. Removal and step-up work for every kind.
    6. ``tests/unit/auth/factors`` and a target in ``tests/system/fuzz/factor_targets.py``.
"""
