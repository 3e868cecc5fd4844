"""Sessions: opened by a login, refreshed, listed, ended. Spec: authentication.md §3, tokens.md §1, §4, §6.

Map
    logins.py           Logins: challenges and logins
    sessions.py         Sessions: started, refreshed, listed, ended; LiveSession and its tokens; RefreshToken
    repository.py       SessionRepository: refresh tokens as digests
    api.py              SessionApi: their part of the HTTP API
"""
