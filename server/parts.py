"""The things a process is made of, plugged together in one place."""

from __future__ import annotations

import random
from functools import cached_property

from api.rate_limits import RateLimits
from bridge.runtime.known_numbers import KnownNumbers
from bridge.runtime.live_calls import LiveCalls
from bridge.runtime.model_leg import ModelOptions
from bridge.runtime.reconciler import Reconciler
from bridge.runtime.recording_eraser import RecordingEraser
from bridge.runtime.retention import Retention
from bridge.runtime.stream_token import StreamTokens
from bridge.runtime.streams import Streams
from bridge.runtime.tool_runner import ToolRunner
from bridge.runtime.transfers import Transfers
from bridge.runtime.twilio_prices import TwilioPrices
from bridge.web.signature import Signatures
from bridge.web.without_postgres import WithoutPostgres
from database.notifications import Notifications
from database.secret_box import SecretBox
from database.session import Database
from notify.sender import WebhookSender
from outgoing.address_guard import AddressGuard
from outgoing.signing_secret import tool_signing_secrets
from outgoing.tool_requests import ToolRequests
from recordings.files import RecordingFiles
from server.draining import Draining
from server.health import Health
from server.metrics import Metrics
from server.metrics_page import MetricsPage
from server.settings import Settings
from server.version import __version__
from telephony.addresses import Addresses
from telephony.twilio import TwilioAccount


class Parts:
    """Made without I/O; `start` and `close` are called in the event loop."""

    def __init__(self, settings: Settings, slot: str) -> None:
        self.settings = settings
        self.database = Database(settings.database_url)
        self.notifications = Notifications(settings.database_url)
        self.addresses = Addresses(settings.public_url)
        self.signatures = Signatures(settings.public_url, settings.twilio_auth_token)
        self.stream_tokens = StreamTokens(settings.secret_key)
        self.secret_box = SecretBox(settings.secret_key)
        self.twilio = _twilio(settings)
        self.rate_limits = RateLimits(settings.api_requests_per_minute)
        self.address_guard = AddressGuard(settings.outgoing_allowed_hosts)
        self.webhooks = WebhookSender(
            database=self.database,
            notifications=self.notifications,
            secret_box=self.secret_box,
            guard=self.address_guard,
            user_agent=f"Callbridge/{__version__}",
        )
        self.tool_requests = _tool_requests(settings, self.address_guard)
        self.recording_files = RecordingFiles(settings.data_dir / "recordings")
        self.streams = Streams(self.database, self.twilio, self.addresses, self.stream_tokens)
        self.live_calls = LiveCalls(
            database=self.database,
            notifications=self.notifications,
            twilio=self.twilio,
            model=_model(settings),
            tools=ToolRunner(self.tool_requests, self.secret_box),
            transfers=Transfers(self.database, self.twilio, self.addresses),
            streams=self.streams,
            slot=slot,
            max_calls=settings.max_calls,
            drain_seconds=settings.drain_seconds,
            jitter=random.random(),  # noqa: S311 (no secret)
            spool_dir=settings.data_dir / "spool",
            recordings=self.recording_files,
        )
        self.rounds = self._rounds()
        self.health = Health(self.database, self.live_calls.lag)
        metrics = Metrics(self.live_calls, self.webhooks, self.rate_limits, self.health).registry
        self.metrics_page = MetricsPage(metrics, slot, settings.processes())

    def _rounds(self) -> tuple[TwilioPrices, Retention, RecordingEraser, Reconciler, KnownNumbers]:
        """What is done every so often, whichever process does it."""
        days, recording_days = self.settings.transcript_retention_days, self.settings.recording_retention_days
        return (
            TwilioPrices(self.database, self.twilio),
            Retention(self.database, transcript_days=days),
            RecordingEraser(self.database, self.recording_files, recording_days=recording_days),
            Reconciler(self.database, self.notifications, self.twilio, self.live_calls),
            self.known_numbers,
        )

    @cached_property
    def known_numbers(self) -> KnownNumbers:
        return KnownNumbers(self.database)

    @cached_property
    def without_postgres(self) -> WithoutPostgres:
        return WithoutPostgres(self.known_numbers, self.live_calls, self.streams)

    @cached_property
    def draining(self) -> Draining:
        return Draining(self.health, self.live_calls)

    async def start(self) -> None:
        await self.notifications.start()
        self.live_calls.start()
        self.webhooks.start()
        for rounds in self.rounds:
            rounds.start()
        self.health.start()

    async def drain(self) -> None:
        """Before the web server closes its sockets: take no more calls, let those that are up finish."""
        self.health.drain()
        await self.live_calls.drain()
        self.notifications.release()

    async def close(self) -> None:
        await self.live_calls.aclose()
        await self.tool_requests.close()
        await self.webhooks.stop()
        for rounds in self.rounds:
            await rounds.stop()
        await self.health.stop()
        await self.notifications.stop()
        await self.twilio.close()
        await self.metrics_page.close()
        await self.database.close()


def _twilio(settings: Settings) -> TwilioAccount:
    return TwilioAccount(
        settings.twilio_account_sid, settings.twilio_auth_token, settings.twilio_api_base_url
    )


def _model(settings: Settings) -> ModelOptions:
    return ModelOptions(
        base_url=settings.openai_base_url, api_key=settings.openai_api_key, proxy=settings.openai_proxy
    )


def _tool_requests(settings: Settings, guard: AddressGuard) -> ToolRequests:
    secrets = tool_signing_secrets(settings.secret_key)
    return ToolRequests(guard, signing_secrets=secrets, user_agent=f"Callbridge/{__version__}")
