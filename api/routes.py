"""Everything that operators may ask, on one page."""

from __future__ import annotations

from litestar import Controller

from api.agents import AgentController
from api.api_keys import ApiKeyController
from api.audit import AuditController
from api.call_actions import CallActionController
from api.calls import CallController
from api.costs import CostController
from api.guards import GuardController
from api.lines import AgentLineController, LanguageLineController
from api.phone_numbers import PhoneNumberController
from api.prices import PriceController
from api.recording import RecordingController
from api.tools import ToolController
from api.webhooks import WebhookController

ROUTES: list[type[Controller]] = [
    AgentController,
    ToolController,
    AgentLineController,
    LanguageLineController,
    PhoneNumberController,
    CallController,
    CallActionController,
    RecordingController,
    WebhookController,
    ApiKeyController,
    GuardController,
    AuditController,
    PriceController,
    CostController,
]
