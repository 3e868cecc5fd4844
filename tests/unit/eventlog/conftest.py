"""Databases of both kinds, a bus, and services on them."""

from tests.support.eventlog.services import alice, bob, bus, clock, new_database_url, start

__all__ = ["alice", "bob", "bus", "clock", "new_database_url", "start"]
