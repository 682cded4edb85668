"""A certificate got and renewed with nobody's help, and calls on it, through a reload and a restart."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import httpx

from infra.checks.phone_call import answered_number, check, dial, transcript
from infra.checks.programs import certificate, listening, running
from server.embedded_postgres import EmbeddedPostgres
from simulator.simulator import Simulator

NAME = "callbridge.example.test"
KEY = "only-for-this-check"
LIMIT_S = 60.0


async def main(work: Path, caddy: str) -> None:
    write_configuration(work)
    caddyfile = work / "Caddyfile"
    caddy_environ = {
        "SITE_ADDRESS": NAME,
        "ACME_CA": "https://127.0.0.1:14000/dir",
        "CADDY_GLOBAL": f"{work}/*.caddy",
        "ADMIN_FROM": "127.0.0.1/32 ::1/128",
        "HOME": str(work),
        "XDG_DATA_HOME": f"{work}/data",
        "XDG_CONFIG_HOME": f"{work}/config",
    }
    roots = Path(os.environ["SSL_CERT_FILE"])
    async with contextlib.AsyncExitStack() as programs:
        start = programs.enter_async_context
        began = time.monotonic()
        command = [caddy, "run", "--config", str(caddyfile), "--adapter", "caddyfile"]
        await start(running(command, work / "caddy.log", caddy_environ))
        first = await another_certificate(0, roots)
        check("a certificate is there with nobody's help", first != 0, True)
        print(f"       {time.monotonic() - began:.1f} s after Caddy's start")
        sim = await start(Simulator(auth_token=KEY, openai_api_key=KEY, public_url=f"https://{NAME}"))
        database = programs.enter_context(postgres())
        serve = [sys.executable, "-m", "cli.main", "serve"]
        server = await start(running(serve, work / "app.log", settings(work, sim, database)))
        await listening(8000)
        api = await start(
            httpx.AsyncClient(
                base_url=f"https://{NAME}", headers={"Authorization": f"Bearer {KEY}"}, timeout=30
            )
        )
        await way_in(api)
        number = await answered_number(api, sim)
        check("both speak in a call", await transcript(api, dial(sim, number)), ["agent", "caller", "agent"])
        await reload_and_renewal(work, caddy, caddy_environ, api, sim, number, first, roots)
        await restart_of_the_worker(server, api, sim, number)
        await doctor(work, settings(work, sim, database))
    nothing_secret_logged((work / "caddy.log").read_text())


def write_configuration(work: Path) -> None:
    """Only for the check: whom to trust as the issuer, and no ten minutes between looks at the clock."""
    (work / "check.caddy").write_text(f"acme_ca_root {work}/api-ca.pem\nrenew_interval 1s\n")
    (work / "Caddyfile").write_text((Path(__file__).resolve().parents[2] / "Caddyfile").read_text())


def settings(work: Path, sim: Simulator, database_url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url, "DATA_DIR": f"{work}/callbridge", "PUBLIC_URL": f"https://{NAME}",
        "ADMIN_API_KEY": KEY, "SECRET_KEY": f"{KEY}-0123456789abcdef",
        "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": sim.openai_base_url,
        "TWILIO_ACCOUNT_SID": sim.account.sid, "TWILIO_AUTH_TOKEN": KEY, "TWILIO_API_BASE_URL": sim.url,
    }  # fmt: skip


@contextlib.contextmanager
def postgres() -> Generator[str]:
    with tempfile.TemporaryDirectory(prefix="cb-") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedPostgres(Path(folder) / "postgres", durable=False)
        server.start()
        try:
            yield server.url()
        finally:
            server.stop()


async def another_certificate(before: int, roots: Path) -> int:
    async with asyncio.timeout(LIMIT_S):
        while True:
            with contextlib.suppress(OSError):
                found = await certificate(NAME, roots)
                if found != before:
                    return found
            await asyncio.sleep(0.1)


async def way_in(api: httpx.AsyncClient) -> None:
    health = await api.get(
        "/healthz?token=secret-of-a-query", headers={"X-Twilio-Signature": "secret-of-a-header"}
    )
    check("https leads to the server", health.status_code, 200)
    shown = {name: health.headers.get(name) for name in ("x-content-type-options", "server", "via")}
    check(
        "headers say what they should",
        shown,
        {"x-content-type-options": "nosniff", "server": None, "via": None},
    )
    check("browsers are to stay with https", health.headers["strict-transport-security"], "max-age=31536000")
    plain = await api.get(f"http://{NAME}/healthz")
    check(
        "http is sent on to https",
        (plain.status_code, plain.headers["location"]),
        (308, f"https://{NAME}/healthz"),
    )
    async with httpx.AsyncClient(base_url=f"https://{NAME}", headers=api.headers) as wordy:
        large = await wordy.post("/v1/agents", content=b" " * 3_000_000)
        check("too large a body is refused", large.status_code, 413)
    elsewhere = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
    async with httpx.AsyncClient(
        base_url=f"https://{NAME}", headers=api.headers, transport=elsewhere
    ) as stranger:
        for path in (
            "/v1/agents",
            "/V1/agents",
            "//v1//agents",
            "/%761/agents",
            "/x/../v1/agents",
            "/schema/openapi.json",
        ):
            check(
                f"{path} is closed to other addresses",
                (await stranger.get(path)).status_code in {403, 404},
                True,
            )
        check("webhooks are open to all", (await stranger.post("/twilio/voice")).status_code, 403)
        check("health is open to all", (await stranger.get("/healthz")).status_code, 200)


async def reload_and_renewal(
    work: Path, caddy: str, environ: dict[str, str], api: httpx.AsyncClient,
    sim: Simulator, number: str, first: int, roots: Path,
) -> None:  # fmt: skip
    """All within one call."""
    call = dial(sim, number, questions=8)
    async with asyncio.timeout(LIMIT_S):
        while sim.model.stats.open_sessions == 0:  # noqa: ASYNC110 (the simulator tells nobody)
            await asyncio.sleep(0.05)
    caddyfile = work / "Caddyfile"
    caddyfile.write_text(caddyfile.read_text().replace("health_interval 1s", "health_interval 2s"))
    command = [caddy, "reload", "--config", str(caddyfile), "--adapter", "caddyfile"]
    async with running(command, work / "reload.log", environ) as reload:
        check("Caddy is reloaded in mid-call", await reload.wait(), 0)
    renewed = await another_certificate(first, roots)
    check("the certificate is renewed", renewed != first, True)
    over = call.sid not in {one.sid for one in sim.network.live_calls}
    print(f"       the call {'was over by then' if over else 'was still on'}")
    check(
        "the call went on as if nothing had happened",
        await transcript(api, call),
        ["agent", *["caller", "agent"] * 8],
    )


async def restart_of_the_worker(
    supervisor: asyncio.subprocess.Process, api: httpx.AsyncClient, sim: Simulator, number: str
) -> None:
    """Killed, so that nothing is said to anybody; a call comes in before another is there."""
    worker = int(children_of(supervisor.pid)[0])
    os.kill(worker, signal.SIGKILL)
    began = time.monotonic()
    call = dial(sim, number)
    answer = await api.post("/twilio/voice")
    print(f"       a webhook waited {time.monotonic() - began:.1f} s for a worker")
    check("a webhook waits for the next worker", answer.status_code, 403)
    check(
        "a call that came in meanwhile is answered", await transcript(api, call), ["agent", "caller", "agent"]
    )


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


async def doctor(work: Path, environ: dict[str, str]) -> None:
    """Right as it is; and with nobody to vouch for Pebble's certificate it says just that."""
    command = [sys.executable, "-m", "cli.main", "doctor"]
    for trusted, wanted, words in (
        (os.environ["SSL_CERT_FILE"], 0, f"https://{NAME} leads here over https and wss"),
        (f"{work}/api-ca.pem", 1, f"{NAME}: the certificate is not accepted"),
    ):
        log = work / "doctor.log"
        async with running(command, log, environ | {"SSL_CERT_FILE": trusted}) as process:
            check("doctor judges the address", await process.wait(), wanted)
        said = log.read_text()
        print(next((line.strip() for line in said.splitlines() if "PUBLIC_URL" in line), said))
        check(f"it says: {words}", words in said, True)


def nothing_secret_logged(log: str) -> None:
    check("requests are logged", '"uri":"/healthz' in log, True)
    for secret in (KEY, "secret-of-a-query", "secret-of-a-header"):
        check(f"{secret} is not in Caddy's log", secret in log, False)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
