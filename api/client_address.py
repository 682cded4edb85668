"""Where a request comes from: the peer, or, when that is our own proxy, whoever the proxy says."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from litestar.connection import ASGIConnection

UNKNOWN = "unknown"


class ClientAddress:
    """`trusted_proxies`: networks. Nobody else's word is taken, or anybody could be anyone."""

    def __init__(self, trusted_proxies: Sequence[str] = ()) -> None:
        self._trusted = [ipaddress.ip_network(network, strict=False) for network in trusted_proxies]

    def of(self, connection: ASGIConnection[Any, Any, Any, Any]) -> str:
        peer = connection.client.host if connection.client else UNKNOWN
        if not self._is_trusted(peer):
            return peer
        # A proxy adds whom it saw behind what it was told: only the last is its own word.
        said = ",".join(connection.headers.getall("x-forwarded-for", [])).rpartition(",")[2].strip()
        return said or peer

    def _is_trusted(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)
