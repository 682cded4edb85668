"""Pointing a Twilio number here, and back to where it pointed before."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from api.audit import note
from api.auth import Caller
from api.errors import Problem, bad_field, not_found
from api.spending import check_connectable
from api.variables import missing_variables
from database import phone_numbers
from database.agents import find_agent
from database.models import PhoneNumber
from database.session import Database
from telephony.addresses import Addresses
from telephony.twilio import OwnedNumber, TwilioAccount, TwilioRefused, TwilioUnreachable, Webhooks

TWILIO_DEMO = "https://demo.twilio.com/"
"""Where a newly bought number points: nobody's use of it."""


async def check_agent(session: AsyncSession, agent_id: str) -> None:
    """That phone calls may be given to it. It stays so in this transaction."""
    agent = await find_agent(session, agent_id, lock=True)
    if agent is None:
        raise bad_field("agent_id", "there is no such agent")
    if missing := missing_variables(agent.config):
        raise bad_field(
            "agent_id",
            f"this agent has variables without a default ({', '.join(sorted(missing))}), and nobody could"
            " give them a value when the phone rings. Write {{name|default}}, or only place calls",
        )


class NumberSetup:
    def __init__(self, database: Database, twilio: TwilioAccount, addresses: Addresses, who: Caller) -> None:
        self._who = who
        self._database = database
        self._twilio = twilio
        self._addresses = addresses

    async def add(
        self,
        number: str,
        agent_id: str,
        *,
        buy: bool,
        take_over: bool,
        fallback_url: str | None,
        when_full: str | None,
        forward_to: str | None,
    ) -> PhoneNumber:
        self._check_public_url()
        async with self._database.session.begin() as session:
            await check_agent(session, agent_id)
            await check_connectable(session, "forward_to", forward_to)
            if await phone_numbers.find_number_by_e164(session, number):
                raise _here_already(number)
        owned = await self._owned(number, buy=buy)
        if not take_over and self._in_use_elsewhere(owned.webhooks):
            raise Problem(
                409,
                f"{number} is in use elsewhere ({_use(owned.webhooks)}). Send 'take_over': true to take it.",
            )
        row = await self._keep(number, agent_id, owned, fallback_url, when_full, forward_to)
        try:
            await self.point_here(owned.sid, fallback_url)
        except (TwilioRefused, TwilioUnreachable):
            async with self._database.session.begin() as session:
                await phone_numbers.delete_number(session, row.id)
                await note(session, self._who, "number.deleted", row.id)
            raise
        return row

    async def point_here(self, twilio_sid: str | None, fallback_url: str | None) -> None:
        if twilio_sid is None:
            return
        webhooks = Webhooks(
            voice_url=self._addresses.voice,
            # Without one of the operator's own, the same address is asked once more.
            voice_fallback_url=fallback_url or self._addresses.voice,
            status_callback=self._addresses.number_status,
        )
        await self._twilio.set_webhooks(twilio_sid, webhooks)

    async def remove(self, number_id: str) -> None:
        """Puts back what was set before, unless somebody has changed it meanwhile or the number is gone."""
        async with self._database.session.begin() as session:
            row = await phone_numbers.find_number(session, number_id, lock=True)
            if row is None:
                raise not_found("phone number", number_id)
            owned = await self._twilio.find_number(row.number)
            if owned is not None and self._is_ours(owned.webhooks.voice_url):
                before = msgspec.convert(row.previous_webhooks, Webhooks)
                await self._twilio.set_webhooks(owned.sid, before)
            await phone_numbers.delete_number(session, number_id)
            await note(session, self._who, "number.deleted", number_id)

    async def _owned(self, number: str, *, buy: bool) -> OwnedNumber:
        owned = await self._twilio.find_number(number)
        if owned is not None:
            return owned
        if not buy:
            raise bad_field(
                "number",
                "is not in the Twilio account. Send 'buy': true to buy it, which costs money each month",
            )
        return await self._twilio.buy_number(number)

    async def _keep(
        self,
        number: str,
        agent_id: str,
        owned: OwnedNumber,
        fallback_url: str | None,
        when_full: str | None,
        forward_to: str | None,
    ) -> PhoneNumber:
        ours = self._is_ours(owned.webhooks.voice_url)
        before: dict[str, Any] = msgspec.to_builtins(Webhooks() if ours else owned.webhooks)
        try:
            async with self._database.session.begin() as session:
                await check_agent(session, agent_id)
                row = await phone_numbers.add_number(
                    session,
                    number=number,
                    agent_id=agent_id,
                    twilio_sid=owned.sid,
                    fallback_url=fallback_url,
                    when_full=when_full,
                    forward_to=forward_to,
                    previous_webhooks=before,
                )
                await note(session, self._who, "number.added", row.id)
                return row
        except IntegrityError as error:
            raise _here_already(number) from error

    def _check_public_url(self) -> None:
        if self._twilio.is_real and not _is_public(self._addresses.public_url):
            raise Problem(
                422,
                f"Twilio cannot reach PUBLIC_URL ({self._addresses.public_url}): numbers need a public https"
                " address. Set PUBLIC_URL to one that leads here, and restart.",
            )

    def _is_ours(self, url: str) -> bool:
        return url.startswith(f"{self._addresses.public_url}/twilio/")

    def _in_use_elsewhere(self, webhooks: Webhooks) -> bool:
        if webhooks.voice_application_sid or webhooks.trunk_sid:
            return True
        url = webhooks.voice_url
        return bool(url) and not url.startswith(TWILIO_DEMO) and not self._is_ours(url)


def _use(webhooks: Webhooks) -> str:
    if webhooks.trunk_sid:
        return f"SIP trunk {webhooks.trunk_sid}"
    if webhooks.voice_application_sid:
        return f"TwiML application {webhooks.voice_application_sid}"
    return f"its calls go to {urlsplit(webhooks.voice_url).hostname}"


def _here_already(number: str) -> Problem:
    return Problem(409, f"{number} is here already: PATCH it to give it another agent.")


def _is_public(url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        return parts.scheme == "https" and ipaddress.ip_address(host).is_global
    except ValueError:
        return (
            parts.scheme == "https"
            and "." in host
            and not host.endswith((".local", ".localhost", ".internal"))
        )
