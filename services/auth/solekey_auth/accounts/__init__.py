"""Accounts as their users know them: registered, given another login key, closed.

Spec: authentication.md §2, §4, §5.

Map
    registrations.py    Registrations: a name reserved until the first login
    account_changes.py  AccountChanges: another login key, and the account's end
    api.py              AccountApi: their part of the HTTP API
"""
