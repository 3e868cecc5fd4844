"""The keys that sign access tokens, and the tokens."""
