"""Between the look at a name's addresses and the connection nothing can change, and TLS checks the name."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from outgoing.address_guard import AddressGuard, AddressRefused
from outgoing.guarded_http import guarded_client

NAME = "hooks.example.com"


class Rebinding(AddressGuard):
    """A name that leads to this machine at the first look, which the operator allowed, then elsewhere."""

    def __init__(self, *allowed: str) -> None:
        super().__init__(allowed)
        self.looks = 0

    async def look_up(self, host: str, port: int) -> list[str]:
        self.looks += 1
        return ["127.0.0.1"] if self.looks == 1 else ["127.0.0.99"]


class TlsSite:
    """Answers with the Host that it was asked for; remembers the names that TLS asked for."""

    def __init__(self, certificate: Path) -> None:
        self.names: list[str | None] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._context.sni_callback = self._note_name
        self._runner: web.AppRunner | None = None
        self.port = 0

    def _note_name(self, _socket: object, name: str | None, _context: object) -> None:
        self.names.append(name)

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/", self._say_host)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._context).start()
        self.port = self._runner.addresses[0][1]

    async def _say_host(self, request: web.Request) -> web.Response:
        return web.Response(text=request.host)

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """For NAME, trusted by clients made from here on."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "site.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return path


@pytest.fixture
async def site(certificate: Path) -> AsyncGenerator[TlsSite]:
    site = TlsSite(certificate)
    await site.start()
    yield site
    await site.stop()


async def test_the_name_is_looked_up_once_and_is_what_tls_and_http_ask_for(site: TlsSite) -> None:
    guard = Rebinding(NAME)
    async with guarded_client(guard, timeout_seconds=5, user_agent="test") as client:
        answer = await client.get(f"https://{NAME}:{site.port}/")
        assert answer.text == f"{NAME}:{site.port}"
        assert (await client.get(f"https://{NAME}:{site.port}/")).status_code == 200
    assert guard.looks == 1, "the second request goes over the same connection"
    assert site.names == [NAME]


async def test_a_certificate_for_another_name_is_refused(site: TlsSite) -> None:
    guard = Rebinding("other.example.com")
    async with guarded_client(guard, timeout_seconds=5, user_agent="test") as client:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await client.get(f"https://other.example.com:{site.port}/")


async def test_a_name_that_turns_inside_after_it_was_saved_is_refused(site: TlsSite) -> None:
    """The check when it is saved sees only what the name says then."""
    guard = Rebinding()
    url = f"https://{NAME}:{site.port}/"
    assert guard.why_refused(url) is None
    async with guarded_client(guard, timeout_seconds=5, user_agent="test") as client:
        with pytest.raises(AddressRefused):
            await client.get(url)
    assert site.names == []


async def test_proxies_of_the_environment_are_not_used(
    site: TlsSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would look the name up by itself, after us."""
    for name in ("HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with guarded_client(Rebinding(NAME), timeout_seconds=5, user_agent="test") as client:
        assert (await client.get(f"https://{NAME}:{site.port}/")).status_code == 200
