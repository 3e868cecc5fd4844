"""Only a trusted proxy names a request, and only in the one form."""

import re

import pytest

from solekey_service.http.request_id import derive_request_id
from solekey_service.http.source import parse_networks

PROXY = parse_networks("10.0.0.1, 2001:db8::/64")
GIVEN = "0123456789abcdef" * 2


@pytest.mark.parametrize("peer", ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::7"])
def test_a_trusted_proxy_names_the_request(peer: str) -> None:
    assert derive_request_id(GIVEN, peer, PROXY) == GIVEN


@pytest.mark.parametrize(
    ("given", "peer"),
    [
        (GIVEN, "10.0.0.2"),
        (GIVEN, None),
        (GIVEN, "nonsense"),
        ("", "10.0.0.1"),
        (GIVEN[:-1], "10.0.0.1"),
        (GIVEN + "0", "10.0.0.1"),
        (GIVEN + "\n", "10.0.0.1"),
        (GIVEN.upper(), "10.0.0.1"),
        (f"{GIVEN}, {GIVEN}", "10.0.0.1"),
        ("\u0660" * 32, "10.0.0.1"),
    ],
)
def test_any_other_word_is_not_taken(given: str, peer: str | None) -> None:
    made = derive_request_id(given, peer, PROXY)
    assert made != given
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert made != derive_request_id(given, peer, PROXY)


def test_without_trusted_proxies_nobody_names_a_request() -> None:
    assert derive_request_id(GIVEN, "10.0.0.1", ()) != GIVEN
