"""What a call has come to so far: what the voice model has used and what that costs, how long callers waited,
who has answered."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from bridge.call.commands import SaveTotals
from bridge.call.cost import cost_of
from bridge.call.past import Past
from bridge.call.turns import Turns


class Totals:
    def __init__(self, prices: Mapping[str, Decimal], past: Past) -> None:
        self.turns = Turns(past.turns, past.answer_to_first_audio_ms)
        self.answered_by: str | None = None
        """In Twilio's words, as far as it was found out."""
        self._usage = dict(past.usage)
        self._prices = prices

    def used(self, tokens: Mapping[str, int]) -> None:
        for kind, count in tokens.items():
            self._usage[kind] = self._usage.get(kind, 0) + count

    def cost(self) -> Decimal | None:
        """The voice model's share, US dollars; None: unknown."""
        return cost_of(self._usage, self._prices)

    def now(self) -> SaveTotals:
        return SaveTotals(dict(self._usage), self.turns.summary(), self.cost(), self.answered_by)
