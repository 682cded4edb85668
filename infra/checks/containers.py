"""Requests and a simulated call through the Caddy of a running compose file. SSL_CERT_FILE: whom to trust."""

from __future__ import annotations

import asyncio
import sys

import httpx

from infra.checks.phone_call import answered_number, check, dial, transcript
from simulator.simulator import Simulator

KEY = "only-for-this-check"


async def main(public_url: str, host: str, port: int, number_index: int) -> None:
    authorization = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=public_url, timeout=20) as client:
        expected = {
            "/healthz": 200,
            "/readyz": 200,
            "/metrics": 404,
            "/v1/agents": 401,
            "/schema/openapi.json": 200,
        }
        for path, wanted in expected.items():
            check(f"{path} is {wanted} through Caddy", (await client.get(path)).status_code, wanted)
        plain = await client.get(f"{public_url.replace('https', 'http')}/healthz")
        check(
            "http is sent on to https",
            (plain.status_code, plain.headers["location"]),
            (308, f"{public_url}/healthz"),
        )
        sim = Simulator(
            auth_token=KEY, openai_api_key=f"sk-{KEY}", host=host, port=port, public_url=public_url
        )
        async with sim, httpx.AsyncClient(base_url=public_url, headers=authorization, timeout=20) as api:
            number = await answered_number(api, sim, number_index)
            for _ in range(2):
                check(
                    "both speak in a call",
                    await transcript(api, dial(sim, number)),
                    ["agent", "caller", "agent"],
                )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
