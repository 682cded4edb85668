"""What stands between this installation and a phone call: each finding with its mend."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from urllib.parse import urlsplit

import asyncpg
from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from bridge.call.agent import DEFAULT_MODEL
from bridge.runtime.model_leg import ModelNotOpened, ModelOptions, open_model_leg
from database.models import PhoneNumber
from database.schema import ForeignSchema, schema_state
from database.session import Database, driver_of
from server import spoken_lines
from server.public_address import trouble_with
from server.settings import Settings, is_loopback
from telephony.addresses import Addresses
from telephony.twilio import OwnedNumber, TwilioAccount, TwilioRefused, TwilioUnreachable


class Finding(Struct, frozen=True, kw_only=True):
    subject: str
    ok: bool
    what: str
    mend: str = ""
    """What to do about it; empty when nothing is to be done."""


async def examine(settings: Settings) -> AsyncGenerator[Finding]:
    """`settings` are complete: those of the server, stand-ins included."""
    yield _secret_key(settings)
    yield _lines()
    database = Database(settings.database_url, pool_size=1)
    twilio = TwilioAccount(
        settings.twilio_account_sid, settings.twilio_auth_token, settings.twilio_api_base_url
    )
    try:
        finding, numbers = await _database(database)
        yield finding
        yield await _openai(settings)
        yield await _twilio(twilio)
        yield await _public_url(settings, real_twilio=twilio.is_real)
        async for finding in _numbers(numbers, twilio, Addresses(settings.public_url)):
            yield finding
    finally:
        await twilio.close()
        await database.close()


def _secret_key(settings: Settings) -> Finding:
    what = f"{len(settings.secret_key)} in the list; the first signs and encrypts"
    return Finding(subject="SECRET_KEY", ok=True, what=what)


def _lines() -> Finding:
    ok, what = spoken_lines.what_is_there()
    return Finding(subject="canned lines", ok=ok, what=what, mend="" if ok else spoken_lines.MEND)


async def _database(database: Database) -> tuple[Finding, list[str]]:
    """And the numbers that are answered here."""
    try:
        async with database.engine.connect() as connection:
            version = (await connection.exec_driver_sql("show server_version")).scalar_one()
            state = await schema_state(await driver_of(connection))
        if state.too_old:
            what = f"schema at revision {state.current}, {state.needed} is needed"
            return Finding(subject="database", ok=False, what=what, mend="Run `callbridge migrate`."), []
        async with database.session() as session:
            numbers = list(await session.scalars(select(PhoneNumber.number).order_by(PhoneNumber.number)))
    except ForeignSchema as error:
        return Finding(subject="database", ok=False, what=str(error), mend="Set DATABASE_URL to another."), []
    except (OSError, TimeoutError, SQLAlchemyError, asyncpg.PostgresError) as error:
        what = f"cannot be used: {type(error).__name__}: {error}".splitlines()[0]
        mend = "Check DATABASE_URL, and that Postgres runs and lets this user in."
        return Finding(subject="database", ok=False, what=what, mend=mend), []
    what = f"Postgres {version}, schema at revision {state.current}"
    return Finding(subject="database", ok=True, what=what), numbers


async def _openai(settings: Settings) -> Finding:
    """By opening a Realtime session as a call does: a valid key may still lack the model or the quota."""
    subject = "OpenAI"
    options = ModelOptions(
        base_url=settings.openai_base_url, api_key=settings.openai_api_key, proxy=settings.openai_proxy
    )
    context = ssl.create_default_context() if options.base_url.startswith("https") else None
    try:
        leg = await open_model_leg(options, DEFAULT_MODEL, context)
    except ModelNotOpened as error:
        if error.refused:
            mend = f"Set OPENAI_API_KEY to a valid key of a project that may use {DEFAULT_MODEL}."
            return Finding(
                subject=subject, ok=False, what=f"refuses: {error.message} ({error.code})", mend=mend
            )
        mend = "Check the network and OPENAI_BASE_URL."
        return Finding(subject=subject, ok=False, what=f"cannot be reached: {error.message}", mend=mend)
    leg.close()
    await leg.wait_closed()
    return Finding(subject=subject, ok=True, what=f"opens a session with {DEFAULT_MODEL}")


async def _twilio(twilio: TwilioAccount) -> Finding:
    try:
        return Finding(subject="Twilio", ok=True, what=await twilio.check())
    except TwilioRefused as refused:
        mend = "Set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN as Twilio's console shows them."
        return Finding(
            subject="Twilio", ok=False, what=f"refuses: {refused.message} ({refused.code})", mend=mend
        )
    except TwilioUnreachable as error:
        mend = "Check the network and TWILIO_API_BASE_URL."
        return Finding(subject="Twilio", ok=False, what=f"cannot be reached: {error}", mend=mend)


async def _public_url(settings: Settings, *, real_twilio: bool) -> Finding:
    subject, url = "PUBLIC_URL", settings.public_url
    if real_twilio and is_loopback(urlsplit(url).hostname or ""):
        mend = "Set it to an https address that leads here from the internet."
        return Finding(subject=subject, ok=False, what=f"Twilio cannot reach {url}", mend=mend)
    media_url = Addresses(url).media("0")
    trouble = await trouble_with(url, settings.twilio_auth_token[0], media_url)
    if trouble is not None:
        return Finding(subject=subject, ok=False, what=trouble.what, mend=trouble.mend)
    schemes = "https and wss" if url.startswith("https") else "http and ws"
    return Finding(subject=subject, ok=True, what=f"{url} leads here over {schemes}, signed as by Twilio")


async def _numbers(
    numbers: list[str], twilio: TwilioAccount, addresses: Addresses
) -> AsyncGenerator[Finding]:
    if not numbers:
        yield Finding(subject="numbers", ok=True, what="none are answered here yet")
        return
    try:
        owned = {one.number: one for one in await twilio.list_numbers()}
    except (TwilioRefused, TwilioUnreachable):
        yield Finding(subject="numbers", ok=False, what="cannot be looked up", mend="Mend Twilio first.")
        return
    for number in numbers:
        yield _number(number, owned.get(number), addresses)


def _number(number: str, owned: OwnedNumber | None, addresses: Addresses) -> Finding:
    if owned is None:
        mend = "Take it off here with `callbridge numbers delete`, or use the account that owns it."
        return Finding(subject=number, ok=False, what="is not of this Twilio account", mend=mend)
    hooks = owned.webhooks
    wrong = [
        name
        for name, value, wanted in (
            ("an application answers it", hooks.voice_application_sid, ""),
            ("a trunk answers it", hooks.trunk_sid, ""),
            ("its voice webhook is elsewhere", hooks.voice_url, addresses.voice),
            ("its status webhook is elsewhere", hooks.status_callback, addresses.number_status),
        )
        if value != wanted
    ]
    if wrong:
        mend = (
            "Point it here again: `callbridge numbers delete`, then `callbridge numbers add … --take-over`."
        )
        return Finding(subject=number, ok=False, what="; ".join(wrong), mend=mend)
    return Finding(subject=number, ok=True, what="its webhooks lead here")
