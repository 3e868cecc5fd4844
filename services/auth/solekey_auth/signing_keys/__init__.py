"""The keys that sign access tokens, and the tokens of a session. Spec: tokens.md §1, §2.

Map
    key_ring.py     SigningKey, and KeyRing: which key is announced, signs, and is withdrawn when (pure)
    issuer.py       SigningKeys: the keys of the system account's stream; Issuer: access tokens
    command.py      ``python -m solekey_auth rotate-signing-key``, ``… signing-keys``
"""
