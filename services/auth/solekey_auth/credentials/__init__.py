"""Login credentials: who has which name, how its password is stretched, and what the login key signs.

Map, pure
    credential.py   Username, Credential, and the decoys of names that nobody has
    kdf.py          KdfParameters: the floor and the ceiling of Argon2id
    login_key.py    what is signed to register, log in, replace the key, close the account

Map, with rows
    repository.py   CredentialRepository, and LoginRepository for challenges and failed logins
"""
