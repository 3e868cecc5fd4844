"""Tests of the event log: one contract suite on SQLite and PostgreSQL."""
