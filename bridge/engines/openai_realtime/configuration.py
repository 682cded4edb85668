"""An agent as OpenAI's `session.update` wants it: GA shape, everything said, nothing left to defaults."""

from __future__ import annotations

from typing import Any

import msgspec

from bridge.call.agent import AgentConfig, ServerVad
from bridge.call.tools import EndCallTool, McpTool, SendDtmfTool, Tool, TransferCallTool
from bridge.engines.openai_realtime.catalogue import MODELS

END_CALL: dict[str, Any] = {
    "type": "function",
    "name": "end_call",
    "description": (
        "Hangs up. Use it once the conversation is over: say goodbye first, in the same turn, then call this."
    ),
    "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
}
REPORT_VOICEMAIL: dict[str, Any] = {
    "type": "function",
    "name": "report_voicemail",
    "description": (
        "Tells that a voicemail greeting, an answering machine or another recording has answered, not a"
        " person. Call it as soon as you are sure, and say nothing."
    ),
    "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
}
SEND_DTMF: dict[str, Any] = {
    "type": "function",
    "name": "send_dtmf",
    "description": (
        "Presses keys of the telephone, for menus, extensions and codes. Do not say the keys. It returns when"
        " they have been heard; then wait for what the other side says."
    ),
    "parameters": {
        "type": "object",
        "properties": {
            "digits": {
                "type": "string",
                "description": "In order, without spaces: 0-9, *, #, A-D; w waits for half a second.",
            }
        },
        "required": ["digits"],
        "additionalProperties": False,
    },
}
PCMU = {"type": "audio/pcmu"}
"""Without a `rate`: the Realtime API refuses one for pcmu."""


def instructions(agent: AgentConfig, *, opening: bool) -> str:
    parts = [agent.prompt]
    if agent.language is not None:
        parts.append(f"Speak in this language: {agent.language}.")
    if agent.greeting is not None and opening:
        # Whoever is rung up says "Hello?" into the greeting; what answers that is to hold its words.
        parts.append(f'Always open the call with these words, once: "{agent.greeting}"')
    return "\n\n".join(parts)


def turn_detection(agent: AgentConfig, *, on_the_line: bool, interruptible: bool) -> dict[str, Any]:
    """Sent whole each time: how deep OpenAI merges a partial one is not documented.

    `on_the_line`: `idle_timeout_ms` counts from when the caller can be heard, not from when the session was
    made ready.
    """
    detection = msgspec.to_builtins(agent.turn_detection)
    if isinstance(agent.turn_detection, ServerVad) and not on_the_line:
        detection["idle_timeout_ms"] = None
    if not interruptible:
        detection["interrupt_response"] = False
    return detection


def session(agent: AgentConfig, *, opening: bool, on_the_line: bool, interruptible: bool) -> dict[str, Any]:
    transcription: dict[str, Any] | None = None
    if agent.transcription_model is not None:
        transcription = {"model": agent.transcription_model}
        if agent.language is not None:
            transcription["language"] = agent.language.split("-")[0]
    wanted: dict[str, Any] = {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": instructions(agent, opening=opening),
        "audio": {
            "input": {
                "format": PCMU,
                "transcription": transcription,
                "noise_reduction": msgspec.to_builtins(agent.noise_reduction),
                "turn_detection": turn_detection(agent, on_the_line=on_the_line, interruptible=interruptible),
            },
            "output": {"format": PCMU, "voice": agent.voice, "speed": agent.speed},
        },
        "tools": _tools(agent),
        "tool_choice": "auto",
    }
    model = MODELS.get(agent.model)
    if agent.reasoning is not None and (model is None or model.reasons):
        wanted["reasoning"] = msgspec.to_builtins(agent.reasoning)
    return wanted


def _tools(agent: AgentConfig) -> list[dict[str, Any]]:
    ours = [REPORT_VOICEMAIL] if agent.voicemail is not None else []
    return [*(_tool(tool) for tool in agent.tools), *ours]


def _tool(tool: Tool) -> dict[str, Any]:
    if isinstance(tool, McpTool):
        given = msgspec.to_builtins(tool)
        # An empty list of allowed tools allows none; everything else that is empty was left out.
        return {name: value for name, value in given.items() if value or value == []}
    if isinstance(tool, EndCallTool):
        return END_CALL
    if isinstance(tool, SendDtmfTool):
        return SEND_DTMF
    if isinstance(tool, TransferCallTool):
        return transfer_call(tool)
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }


def transfer_call(tool: TransferCallTool) -> dict[str, Any]:
    """Names and descriptions. Numbers stay with us: who does not know one cannot be talked into it."""
    described = [
        f"- {one.name}: {one.description}" if one.description else f"- {one.name}"
        for one in tool.destinations
    ]
    return {
        "type": "function",
        "name": "transfer_call",
        "description": "\n".join(
            [
                "Puts the caller through to somebody else; you leave the conversation. Say that you are doing"
                " so first, in the same turn, then call this. Whom you can reach:",
                *described,
            ]
        ),
        "parameters": {
            "type": "object",
            "properties": {
                "destination": {"type": "string", "enum": [one.name for one in tool.destinations]}
            },
            "required": ["destination"],
            "additionalProperties": False,
        },
    }


def greeting(words: str) -> str:
    """Instructions of the one response that greets; they stand in for the session's own meanwhile."""
    return f"The caller has just been connected. {filler(words)}"


def filler(words: str) -> str:
    return f'Say exactly this, and nothing else: "{words}"'
