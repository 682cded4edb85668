"""Which addresses requests of ours may go to: public ones over https, and what the operator allows.

Operators' addresses are typed into the REST API, so without this they would reach whatever this machine
reaches: https://owasp.org/www-community/attacks/Server_Side_Request_Forgery
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable

import httpx

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""The IPv4 address is in the last 32 bits: https://www.rfc-editor.org/rfc/rfc6052"""
MEND = "the operator of this server can allow it with OUTGOING_ALLOWED_HOSTS"


class AddressRefused(Exception):
    """Nothing was sent. The message says why and names the setting."""


class AddressGuard:
    def __init__(self, allowed_hosts: Iterable[str] = ()) -> None:
        """`allowed_hosts`: `name` or `name:port`, as in addresses. Those may be private, and plain http."""
        self._allowed = frozenset(host.lower() for host in allowed_hosts)

    def allows(self, host: str, port: int) -> bool:
        """Whether the operator named this host."""
        written = f"[{host}]" if ":" in host else host
        return not self._allowed.isdisjoint({host, written, f"{written}:{port}"})

    def why_refused(self, url: str) -> str | None:
        """What the address alone tells. Where its name leads is known only when it is resolved."""
        try:
            parts = httpx.URL(url)
        except (httpx.InvalidURL, ValueError):
            return "is not an address"
        if parts.scheme not in {"http", "https"} or not parts.host:
            return "must begin with https:// and name a host"
        if parts.userinfo:
            return "must have no user or password in it"
        return None if self.allows(parts.host, port_of(parts)) else _why_not_public(parts)

    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses to connect to, and no others. Raises AddressRefused, or OSError for unknown names.

        A name with any private address is refused as a whole: it would change its mind at the next look.
        """
        addresses = await self.look_up(host, port)
        if not self.allows(host, port) and not all(is_public(address) for address in addresses):
            raise AddressRefused(f"{host} is not on the public internet; {MEND}")
        return addresses

    async def look_up(self, host: str, port: int) -> list[str]:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def port_of(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def is_public(address: str, *, unless_name: bool = False) -> bool:
    """Whether it is an address of the public internet. `unless_name`: a name counts as one."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return unless_name
    inner = _carried(ip)
    if inner is not None:
        return _is_global(inner)
    return _is_global(ip)


def _carried(ip: IPAddress) -> IPAddress | None:
    """The IPv4 address that a gateway would unwrap from an IPv6 one."""
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    if ip in NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


def _is_global(ip: IPAddress) -> bool:
    site_local = isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not site_local


def _why_not_public(url: httpx.URL) -> str | None:
    if url.scheme == "http":
        return f"must begin with https://; for http to this host, {MEND}"
    local_name = url.host == "localhost" or url.host.endswith(".localhost")
    if local_name or not is_public(url.host, unless_name=True):
        return f"is not on the public internet; {MEND}"
    return None
