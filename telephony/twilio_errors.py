"""What Twilio's refusals mean and what to do about them.

Codes: https://www.twilio.com/docs/api/errors. The texts of its messages vary; the codes do not.
"""

from __future__ import annotations

NOT_IN_PROGRESS = 21220
TOO_MANY_REQUESTS = 20429

ADVICE: dict[int, str] = {
    10001: "The Twilio account is not active: look at its status in the Twilio console.",
    10002: "A trial account cannot do this: upgrade the Twilio account.",
    10004: "The Twilio account has as many calls at once as it may: wait for one to end, or raise the limit.",
    20003: (
        "Twilio does not accept the credentials: check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, that they"
        " belong to the region of TWILIO_API_BASE_URL, and that the account is not suspended."
    ),
    20005: "The Twilio account is not active: look at its status in the Twilio console.",
    20008: "Twilio's test credentials cannot do this: use the account's live credentials.",
    20404: "Twilio does not know it: check that it belongs to this account and region.",
    20429: "Twilio is getting too many requests from this account: wait a little, then try again.",
    21201: "Twilio was not told whom to call: give a number in 'to'.",
    21205: "Twilio does not accept our address for the call: check PUBLIC_URL.",
    21206: "Twilio does not accept the keys to be pressed: use 0-9, A-D, *, #, w and W, at most 32.",
    21208: "Twilio does not accept how long to let it ring: use at most 600 seconds.",
    21210: "The number in 'from' is not this Twilio account's nor verified for it: call from one that is.",
    21211: "Twilio says that 'to' is not a valid phone number: write it in E.164, such as +14155550100.",
    21212: "Twilio says that 'from' is not a valid phone number: call from a number of this account.",
    21213: "Twilio was not told from which number to call: give one in 'from'.",
    21214: "The number in 'to' cannot be reached from Twilio: check it, or call another one.",
    21215: (
        "This Twilio account may not call that country: allow it in the Twilio console under"
        " Voice > Settings > Geo permissions."
    ),
    21216: "Twilio blocks calls to this number: ask Twilio's support why.",
    21217: "Twilio says that 'to' looks like no phone number: write it in E.164, such as +14155550100.",
    21218: "Twilio does not know the TwiML application: check the number's set-up in the Twilio console.",
    21219: "A trial account may call verified numbers only: verify it in the Twilio console, or upgrade.",
    21220: "The call is not in progress any more.",
    21234: "Twilio does not accept the settings of answering machine detection.",
    21421: "Twilio says that this is not a valid phone number to buy: choose one of the available numbers.",
    21422: "This number is no longer for sale: choose another one of the available numbers.",
    21452: "Twilio has no numbers for sale there: try another area.",
    21631: "Numbers of this country need an address: buy the number in the Twilio console, then add it here.",
    21649: "This country wants a regulatory bundle: buy the number in the Twilio console, then add it here.",
    32017: "A carrier blocked the call because of its caller ID: register the number, or use another one.",
}


class TwilioRefused(Exception):
    """Twilio said no, and did nothing. Asking again the same way gets the same answer."""

    def __init__(self, code: int | None, message: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        """Twilio's error code; None when its answer had none."""
        self.message = message
        """One or two sentences: what it means and what to do."""
        self.status = status
        """Of Twilio's HTTP answer."""


class TwilioUnreachable(Exception):
    """No usable answer in time: Twilio may have done what it was asked, or not."""


def refusal(code: int | None, twilio_message: str, status: int) -> TwilioRefused:
    advice = ADVICE.get(code) if code is not None else None
    return TwilioRefused(code, advice or f"Twilio refused: {twilio_message or 'no reason given'}", status)
