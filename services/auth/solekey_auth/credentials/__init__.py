"""Login credentials: who has which name, and how its password is stretched.

Map, pure
    credential.py   Username, Credential, and the decoys of unknown names
    kdf.py          KdfParameters: the floor and the ceiling of Argon2id

Map, with rows
    repository.py   CredentialRepository, and LoginRepository for challenges and failed logins
"""
