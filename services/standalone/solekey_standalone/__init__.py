"""Every Solekey service in one process, on SQLite and the embedded bus, behind TLS."""
