"""Sessions and their one-time refresh tokens."""
