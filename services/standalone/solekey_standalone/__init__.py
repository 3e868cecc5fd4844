"""Every Solekey service in one process, on SQLite and the embedded bus, behind TLS.

``python -m solekey_standalone --data-dir D`` needs no Docker, no broker and no database server; it is the
same four services, started by the same runner, as in the deployed platform.

Map
    folder.py        DataFolder: where everything lies, and that only one process uses it
    authority.py     the local certificate authority, for this machine's names alone
    certificates.py  the server's certificate, renewed in time
    operator.py      the operator's secrets, made once
    platform.py      the services, their configurations and the bus
    backup.py        a copy as of one moment, and the way back
    backup_command.py
                     its commands
    __main__.py      the command line
"""
