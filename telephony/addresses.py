"""The addresses we give to Twilio. All derive from `PUBLIC_URL`, never from a request's headers."""

from __future__ import annotations

RETRY_FRAGMENT = "#rc=2&rp=all&ct=1500&rt=4500"
"""Two retries on anything within Twilio's 15 s: https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides"""


class Addresses:
    def __init__(self, public_url: str) -> None:
        self.public_url = public_url.rstrip("/")

    def _webhook(self, path: str) -> str:
        return f"{self.public_url}/twilio/{path}{RETRY_FRAGMENT}"

    @property
    def voice(self) -> str:
        return self._webhook("voice")

    @property
    def number_status(self) -> str:
        return self._webhook("status")

    def outbound(self, call_id: str) -> str:
        return self._webhook(f"outbound/{call_id}")

    def call_status(self, call_id: str) -> str:
        return self._webhook(f"status/{call_id}")

    def after_stream(self, slot: str, call_id: str) -> str:
        return self._webhook(f"after-stream/{slot}/{call_id}")

    def trial(self, run: str, step: str) -> str:
        """Of a call that finds out what Twilio does."""
        return self._webhook(f"trial/{run}/{step}")

    def trial_media(self, run: str, step: str) -> str:
        return f"{self.public_url.replace('http', 'ws', 1)}/twilio/trial/{run}/{step}"

    def after_dial(self, slot: str, call_id: str) -> str:
        return self._webhook(f"after-dial/{slot}/{call_id}")

    def whisper(self, call_id: str) -> str:
        return self._webhook(f"whisper/{call_id}")

    def dialled_status(self, call_id: str) -> str:
        """Of the call to whom a caller is put through."""
        return self._webhook(f"dialled/{call_id}")

    def machine_detection(self, call_id: str) -> str:
        return self._webhook(f"amd/{call_id}")

    def media(self, slot: str) -> str:
        """Without a query: Twilio refuses one on a Stream (31923)."""
        return f"{self.public_url.replace('http', 'ws', 1)}/twilio/media/{slot}"
