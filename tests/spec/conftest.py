"""The services on SQLite and on PostgreSQL, so that their real answers can be compared with the documents."""

from kernels import rig

__all__ = ["rig"]
