"""A rig of services on SQLite and on PostgreSQL."""

from kernels import rig

__all__ = ["rig"]
