"""Twilio's refusals, as its REST API words them: https://www.twilio.com/docs/api/errors"""

from __future__ import annotations

_STATUS = {20003: 401, 20404: 404, 20429: 429, 20500: 500}
"""Everything else that we refuse is 400."""


class Refused(Exception):
    """A REST request that Twilio refuses."""

    def __init__(self, code: int, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status or _STATUS.get(code, 400)
        self.message = message

    def as_json(self) -> dict[str, object]:
        return {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


def not_found(path: str) -> Refused:
    return Refused(20404, f"The requested resource {path} was not found")
