"""A recovery kit of a fixed key."""

from tests.support.client.kits import kit, user_key

__all__ = ["kit", "user_key"]
