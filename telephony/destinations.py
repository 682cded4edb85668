"""Who may be dialled. Deny by default: calls cost money, and a stolen key will spend it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType

EMERGENCY = "Emergency numbers are never dialled: an agent is no substitute for a person who calls for help."
SHORT = "Short numbers are not dialled. Write a full number in E.164, such as +14155550100."
DIALLED = {
    PhoneNumberType.FIXED_LINE,
    PhoneNumberType.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE,
    PhoneNumberType.TOLL_FREE,
    PhoneNumberType.VOIP,
    PhoneNumberType.UAN,
}
# North America's personal numbers cost what any call there costs; elsewhere they can be dear.
_ORDINARY_PERSONAL_NUMBERS = {1}
_SATELLITE_CODES = {870, 881}
_NETWORK_CODES = {878, 882, 883, 888, 979}
_KINDS = {
    PhoneNumberType.PREMIUM_RATE: "a premium-rate number",
    PhoneNumberType.SHARED_COST: "a shared-cost number",
    PhoneNumberType.PAGER: "a pager",
    PhoneNumberType.VOICEMAIL: "a voicemail access number",
    PhoneNumberType.PERSONAL_NUMBER: "a personal number, which can cost as much as a premium one",
}


def country_of(number: str) -> str | None:
    """ISO 3166 code of an E.164 number's country; None when it belongs to none."""
    try:
        region = phonenumbers.region_code_for_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return None
    return region if region not in (None, "001", "ZZ") else None


def countries_of(numbers: Iterable[str]) -> set[str]:
    """The countries that may be called by default: those of one's own numbers."""
    return {country for number in numbers if (country := country_of(number))}


def why_refused(
    to: str,
    *,
    own_numbers: Collection[str],
    countries: Collection[str] | None = None,
    allow: Collection[str] = (),
    deny: Collection[str] = (),
) -> str | None:
    """In words for the operator why `to` is not dialled; None when it may be. `own_numbers` are E.164.

    `countries` (ISO 3166): None for those of the own numbers. `allow` and `deny` hold numbers, and beginnings
    of numbers with a star; if anything is in `allow`, only that is dialled, in whatever country. Nothing
    opens premium, satellite, emergency and short numbers.
    """
    allowed = countries_of(own_numbers) if countries is None else set(countries)
    if not to.startswith("+"):
        return _refusal_without_country_code(to, allowed)
    try:
        number = phonenumbers.parse(to)
    except phonenumbers.NumberParseException:
        return "It is not a phone number. Write it in E.164, such as +14155550100."
    why = _refusal_of_kind(number)
    if to != phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164):
        why = "It is not written in E.164: a plus and digits only, such as +14155550100."
    elif to in own_numbers:
        why = "It is one of your own numbers: the agent would be talking to an agent."
    elif why is None and _matches(to, deny):
        why = "Your guards deny this number: see /v1/guards."
    elif why is None and not allow:
        why = _refusal_of_country(number, allowed, own=countries is None)
    elif why is None and not _matches(to, allow):
        why = "It is not among the numbers that your guards allow: see /v1/guards."
    return why


def why_not_connected(
    to: str, *, countries: Collection[str] | None, allow: Collection[str], deny: Collection[str]
) -> str | None:
    """As `why_refused`, for a number that callers are connected to: None as `countries` means all of them."""
    anywhere = phonenumbers.SUPPORTED_REGIONS
    named = anywhere if countries is None else countries
    return why_refused(to, own_numbers=(), countries=named, allow=allow, deny=deny)


def _matches(number: str, patterns: Collection[str]) -> bool:
    return any(
        number.startswith(pattern[:-1]) if pattern.endswith("*") else number == pattern
        for pattern in patterns
    )


def _refusal_without_country_code(to: str, countries: set[str]) -> str:
    if any(phonenumbers.is_emergency_number(to, country) for country in countries | {"US", "GB", "DE"}):
        return EMERGENCY
    digits = sum(character.isdigit() for character in to)
    if 0 < digits <= 6:
        return SHORT
    return "It lacks its country code. Write it in E.164, such as +14155550100."


def _refusal_of_kind(number: PhoneNumber) -> str | None:
    country = phonenumbers.region_code_for_country_code(number.country_code or 0)
    national = phonenumbers.national_significant_number(number)
    kind = phonenumbers.number_type(number)
    why = None
    if number.country_code in _SATELLITE_CODES:
        why = (
            "It is a satellite phone, where a minute can cost several dollars. Such numbers are not dialled."
        )
    elif number.country_code in _NETWORK_CODES:
        why = "It is an international network or premium number. Such numbers are not dialled."
    elif phonenumbers.is_emergency_number(national, country):
        why = EMERGENCY
    elif not phonenumbers.is_valid_number(number):
        short = phonenumbers.is_possible_short_number(number)
        why = SHORT if short else "No such number can exist: check its digits and its country code."
    elif kind == PhoneNumberType.PERSONAL_NUMBER and number.country_code in _ORDINARY_PERSONAL_NUMBERS:
        why = None
    elif kind not in DIALLED:
        why = f"It is {_KINDS.get(kind, 'of an unknown kind')}. Such numbers are not dialled."
    return why


def _refusal_of_country(number: PhoneNumber, countries: set[str], *, own: bool) -> str | None:
    country = phonenumbers.region_code_for_number(number)
    if country in countries:
        return None
    # Numbers that belong to a whole calling code, such as toll-free +1 800, count for each country of it.
    if number.country_code in {phonenumbers.country_code_for_region(one) for one in countries} and (
        phonenumbers.number_type(number) in (PhoneNumberType.TOLL_FREE, PhoneNumberType.PERSONAL_NUMBER)
    ):
        return None
    named = ", ".join(sorted(countries))
    if not own:
        return f"Your guards allow only these countries ({named or 'none'}), and it belongs to {country}."
    named = named or "none: you have no number whose country is known"
    return f"Only the countries of your own numbers may be called ({named}), and it belongs to {country}."
