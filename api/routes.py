"""Everything that operators may ask, on one page."""

from __future__ import annotations

from litestar import Controller

from api.agents import AgentController
from api.api_keys import ApiKeyController
from api.calls import CallController
from api.phone_numbers import PhoneNumberController

ROUTES: list[type[Controller]] = [
    AgentController,
    PhoneNumberController,
    CallController,
    ApiKeyController,
]
