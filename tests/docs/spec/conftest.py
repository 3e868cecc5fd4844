"""A recovery kit of a fixed key, which is the one of recovery.md's example."""

from tests.support.client.kits import kit, user_key

__all__ = ["kit", "user_key"]
