"""An answer in TwiML."""

from __future__ import annotations

from litestar import MediaType, Response


class Xml(Response[str]):
    def __init__(self, document: str) -> None:
        super().__init__(document, media_type=MediaType.XML)
