"""The client's worlds, for the tests of what its memory, logs and disk show."""

from client.conftest import home, platform, world

__all__ = ["home", "platform", "world"]
