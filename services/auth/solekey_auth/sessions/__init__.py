"""Sessions and their one-time refresh tokens. Spec: tokens.md §4, §6.

Map
    refresh_token.py    RefreshToken: in clear; each successor derives from its predecessor (pure)
    repository.py       SessionRepository: refresh tokens as digests
    sessions.py         Sessions: started, refreshed, listed, ended
"""
