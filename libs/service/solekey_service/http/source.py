"""Where a request comes from, as rate limits count it: an address prefix. Spec: rate-limits.md §2.

An IPv4 address is a source by itself. Of IPv6, where one customer has 2^64 addresses, the /64 is.
"""

import ipaddress
from collections.abc import Sequence
from typing import NewType

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

Source = NewType("Source", str)
"""A prefix such as ``192.0.2.7/32`` or ``2001:db8::/64``; never stored as it is."""

UNKNOWN_SOURCE = Source("unknown")
"""Of a request without an address: all of them are one source."""

_PREFIX_BITS = {4: 32, 6: 64}


def parse_networks(text: str) -> tuple[Network, ...]:
    """Parse addresses and prefixes, separated by commas. Raises ValueError."""
    parts = filter(None, (part.strip() for part in text.split(",")))
    return tuple(ipaddress.ip_network(part) for part in parts)


def find_source(peer: str | None, forwarded: Sequence[str], proxies: Sequence[Network]) -> Source:
    """Find whose request it is.

    Each proxy adds whom it heard at the end of ``X-Forwarded-For``. What stands left of the last address that
    is not a trusted proxy's was written by the client, and is not looked at.

    Args:
        peer: the address at the other end of the connection.
        forwarded: the values of the request's X-Forwarded-For fields, in order.
        proxies: whose forwarded addresses are trusted.
    """
    address = _parse_address(peer or "")
    if address is None:
        return UNKNOWN_SOURCE
    addresses = [part.strip() for value in forwarded for part in value.split(",")]
    while addresses and any(address in network for network in proxies):
        before = _parse_address(addresses.pop())
        if before is None:
            break
        address = before
    prefix = ipaddress.ip_network((address, _PREFIX_BITS[address.version]), strict=False)
    return Source(str(prefix))


def is_of(peer: str | None, networks: Sequence[Network]) -> bool:
    """Tell whether the address at the other end of a connection belongs to one of some networks."""
    address = _parse_address(peer or "")
    return address is not None and any(address in network for network in networks)


def _parse_address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0].strip("[]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
