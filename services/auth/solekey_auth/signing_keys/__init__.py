"""The keys that sign access tokens. Spec: tokens.md §2.

Map
    signing_keys.py     SigningKeys: announced, in use, withdrawn; KeyRing: those of one secret
    command.py          ``python -m solekey_auth rotate-signing-key``, ``… signing-keys``
"""
