from __future__ import annotations

import pytest
from litestar.connection import ASGIConnection

from api.client_address import ClientAddress

OURS = ["127.0.0.0/8", "10.0.0.0/8"]


def connection(peer: str | None, *forwarded: str) -> ASGIConnection:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    client = None if peer is None else (peer, 1)
    return ASGIConnection({"type": "http", "client": client, "headers": headers})  # pyright: ignore[reportArgumentType] (what is read of a scope)


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("203.0.113.7", (), "203.0.113.7"),
        ("203.0.113.7", ("198.51.100.9",), "203.0.113.7"),
        ("127.0.0.1", ("203.0.113.7",), "203.0.113.7"),
        ("10.1.2.3", ("1.2.3.4, 203.0.113.7",), "203.0.113.7"),
        ("10.1.2.3", ("1.2.3.4", "203.0.113.7"), "203.0.113.7"),
        ("127.0.0.1", (), "127.0.0.1"),
        ("127.0.0.1", ("",), "127.0.0.1"),
        (None, (), "unknown"),
    ],
    ids=["direct", "a lie", "a proxy's word", "behind a lie", "in another header", "none", "empty", "socket"],
)
def test_only_our_proxys_own_word_is_taken(peer: str | None, forwarded: tuple[str, ...], found: str) -> None:
    """Who could choose the address that wrong keys are counted for could guess for ever."""
    assert ClientAddress(OURS).of(connection(peer, *forwarded)) == found
