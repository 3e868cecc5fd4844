"""The auth service: accounts, login keys, second factors, sessions and token signing keys."""
