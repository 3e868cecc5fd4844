"""The Solekey reference client: makes, wraps and rotates keys; encrypts and decrypts; audits."""
