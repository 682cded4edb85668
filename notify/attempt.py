"""One attempt to deliver: a POST, and what came of it."""

from __future__ import annotations

import asyncio
import time

import httpx
from msgspec import Struct

from outgoing.address_guard import AddressRefused
from outgoing.signature import signed_headers

TIMEOUT_SECONDS = 10.0
"""For all of it: the name, the connection, the answer."""
READ_BYTES = 16 * 1024
"""Of an answer, so that its connection can be used again. What it says does not matter."""
GONE = 410


class Outcome(Struct, frozen=True):
    response_code: int | None
    """None: nobody answered."""
    error: str | None
    """None: it was delivered."""

    @property
    def final(self) -> bool:
        """The receiver wants it never again: https://www.standardwebhooks.com, "Gone"."""
        return self.response_code == GONE


async def attempt(client: httpx.AsyncClient, url: str, secret: str, message_id: str, body: bytes) -> Outcome:
    """Raises nothing that a receiver can cause."""
    headers = {
        "Content-Type": "application/json",
        **signed_headers(secret, message_id, int(time.time()), body),
    }
    try:
        async with (
            asyncio.timeout(TIMEOUT_SECONDS),
            client.stream("POST", url, content=body, headers=headers) as response,
        ):
            await _read_a_little(response)
            return _judged(response.status_code)
    except TimeoutError:
        return Outcome(None, f"no answer within {TIMEOUT_SECONDS:.0f} s")
    except AddressRefused as refused:
        return Outcome(None, str(refused))
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        return Outcome(None, f"{type(error).__name__}: {error}"[:200])


def _judged(code: int) -> Outcome:
    if 200 <= code < 300:
        return Outcome(code, None)
    if 300 <= code < 400:
        return Outcome(code, f"answered {code}; redirects are not followed")
    return Outcome(code, f"answered {code}")


async def _read_a_little(response: httpx.Response) -> None:
    left = READ_BYTES
    async for piece in response.aiter_raw():
        left -= len(piece)
        if left <= 0:
            return
