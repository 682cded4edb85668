"""What has come into a conversation since the model last answered."""

from __future__ import annotations

from simulator.model.conversation import Conversation
from simulator.model.held_item import held
from simulator.model.reply import FunctionOutput, Remembered, Turn
from simulator.model.response_options import ResponseOptions


class News:
    """Collected until a response takes it."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.outputs: list[FunctionOutput] = []
        self.notes: list[str] = []

    def answered(self) -> None:
        """The client has written what the model said to all this."""
        self.outputs.clear()
        self.notes.clear()

    def turn(self, instructions: str, options: ResponseOptions, conversation: Conversation) -> Turn:
        """What a response knows. One outside the conversation reads the news and leaves them."""
        turn = Turn(
            cause=options.cause,
            caller=" ".join(self.heard) or None,
            instructions=instructions,
            asked=options.asked,
            outputs=tuple(self.outputs),
            notes=tuple(self.notes),
            tools=options.tools,
            history=tuple(
                Remembered(item.role, item.text)
                for item in map(held, conversation.items)
                if item.role and item.text
            ),
            known=tuple(FunctionOutput(*found) for found in conversation.outputs_since_the_caller()),
        )
        if options.conversation is not None:
            self.heard.clear()
            self.outputs.clear()
            self.notes.clear()
        return turn
