"""What a live call has others do, because it takes longer than a call may."""

from __future__ import annotations

from typing import Protocol, TypeVar

from bridge.call.commands import CheckTransfer, EndCall, MoveStream, OpenModel, RunTool

Live_contra = TypeVar("Live_contra", contravariant=True)
"""A `LiveCall`."""


class Deeds(Protocol[Live_contra]):
    """What a live call has others do, which takes longer than it may."""

    def open_model(self, live: Live_contra, command: OpenModel) -> None:
        """`model_opened` or `model_unreachable` is called in the end."""
        ...

    def move_stream(self, live: Live_contra) -> None: ...
    def run_tool(self, live: Live_contra, command: RunTool) -> None: ...

    def check_transfer(self, live: Live_contra, command: CheckTransfer) -> None:
        """`take` is called with a TransferChecked in the end."""
        ...

    def end_call(self, live: Live_contra, command: EndCall) -> None:
        """Called once. Afterwards only tools still return."""
        ...


def have_done(
    deeds: Deeds[Live_contra], live: Live_contra, command: OpenModel | MoveStream | RunTool | CheckTransfer
) -> None:
    match command:
        case OpenModel():
            deeds.open_model(live, command)
        case MoveStream():
            deeds.move_stream(live)
        case RunTool():
            deeds.run_tool(live, command)
        case CheckTransfer():
            deeds.check_transfer(live, command)
