"""Ports of this machine for servers that tests start."""

import socket


def find_free_ports(count: int) -> list[int]:
    """Find ports that are free now, all different."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()
