"""Nobody who may type an address into the REST API reaches what only this machine reaches."""

from __future__ import annotations

import pytest

from outgoing.address_guard import AddressGuard, AddressRefused, is_public

PRIVATE = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "fc00::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


class Names(AddressGuard):
    """Names lead where the test says."""

    def __init__(self, addresses: list[str], allowed_hosts: tuple[str, ...] = ()) -> None:
        super().__init__(allowed_hosts)
        self._addresses = addresses

    async def look_up(self, host: str, port: int) -> list[str]:
        return self._addresses


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_the_public_internet_is_known_in_every_spelling(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/hook", "https://"),
        ("ftp://example.com", "https://"),
        ("example.com", "https://"),
        ("https://", "https://"),
        ("https://user:pass@example.com", "user"),
        ("https://localhost/hook", "OUTGOING_ALLOWED_HOSTS"),
        ("https://127.0.0.1/hook", "OUTGOING_ALLOWED_HOSTS"),
        ("https://[::1]/hook", "OUTGOING_ALLOWED_HOSTS"),
        ("https://10.0.0.7/hook", "OUTGOING_ALLOWED_HOSTS"),
        ("https://exa mple.com:x/", "address"),
    ],
)
def test_an_address_that_cannot_be_meant_is_refused_at_once_with_what_to_do(url: str, why: str) -> None:
    refusal = AddressGuard().why_refused(url)
    assert refusal is not None
    assert why in refusal


def test_public_addresses_over_https_need_nobodys_permission() -> None:
    assert AddressGuard().why_refused("https://example.com:8443/hook?a=b") is None


def test_the_operator_may_allow_a_host_and_one_port_of_a_host() -> None:
    guard = AddressGuard(["LocalHost", "10.0.0.7:8080", "[::1]:9000"])
    assert guard.why_refused("http://localhost:1234/hook") is None
    assert guard.why_refused("http://10.0.0.7:8080/hook") is None
    assert guard.why_refused("https://[::1]:9000/hook") is None
    assert guard.why_refused("http://10.0.0.7:8081/hook") is not None
    assert guard.why_refused("http://localhost.example.com/hook") is not None


async def test_a_name_that_leads_inside_is_refused() -> None:
    with pytest.raises(AddressRefused, match="OUTGOING_ALLOWED_HOSTS"):
        await Names(["10.0.0.7"]).resolve("inside.example.com", 443)


async def test_a_name_with_one_private_address_among_public_ones_is_refused() -> None:
    """Whoever owns the name chooses which of them the next look finds."""
    with pytest.raises(AddressRefused):
        await Names(["93.184.215.14", "127.0.0.1"]).resolve("both.example.com", 443)


async def test_numbers_in_disguise_are_looked_at_as_what_they_resolve_to() -> None:
    """`2130706433` and `0x7f.1` are 127.0.0.1 to the resolver, and names to everybody else."""
    for disguise in ("2130706433", "0x7f.1", "127.1"):
        with pytest.raises(AddressRefused):
            await AddressGuard().resolve(disguise, 443)


async def test_an_allowed_name_may_lead_inside() -> None:
    assert await Names(["10.0.0.7"], ("inside.example.com",)).resolve("inside.example.com", 443) == [
        "10.0.0.7"
    ]
