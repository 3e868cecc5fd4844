"""The vault service: wrapped data keys, commits and ciphertext objects."""
