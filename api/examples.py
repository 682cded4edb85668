"""What requests and answers look like, for the page at `/schema`."""

from __future__ import annotations

from typing import Any

NEW_AGENT: dict[str, Any] = {
    "name": "Front desk",
    "prompt": "You answer the phone of Lindgren Dental. Be brief. Offer a call back when you cannot help.",
    "greeting": "Lindgren Dental, good day. How can I help?",
}
AGENT_ID = "agent_019ab04f6c1e5d0c4f2a9b8e7d6c5b4a"
AGENT: dict[str, Any] = {
    "id": AGENT_ID,
    "version": 1,
    **NEW_AGENT,
    "voice": "ash",
    "turn_detection": {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
    },
    "tools": [{"type": "end_call"}],
    "created_at": "2026-11-22T10:00:00Z",
    "updated_at": "2026-11-22T10:00:00Z",
}
LINE: dict[str, Any] = {
    "line": "filler",
    "source": "agent",
    "text": "Um momento, por favor.",
    "duration_ms": 1480,
}
LINES: dict[str, Any] = {
    "items": [
        LINE,
        {
            "line": "hold",
            "source": "built_in",
            "text": "I am still here. Just a moment.",
            "duration_ms": 2380,
        },
    ]
}
NEW_NUMBER: dict[str, Any] = {"number": "+14155550100", "agent_id": AGENT_ID}
NUMBER: dict[str, Any] = {
    "id": "number_019ab0501a2b3c4d5e6f708192a3b4c5",
    **NEW_NUMBER,
    "twilio_sid": "PN00000000000000000000000000000001",
    "fallback_url": None,
    "when_full": None,
    "forward_to": None,
    "created_at": "2026-11-22T10:01:00Z",
}
AVAILABLE: dict[str, Any] = {
    "items": [{"number": "+14155550123", "locality": "San Francisco", "region": "CA"}],
    "next_cursor": None,
}
NEW_CALL: dict[str, Any] = {"agent_id": AGENT_ID, "to": "+14155550199", "variables": {"first_name": "Ada"}}
CALL: dict[str, Any] = {
    "id": "call_019ab0512f3e4d5c6b7a8990a1b2c3d4",
    "direction": "outbound",
    "status": "completed",
    "agent_id": AGENT_ID,
    "agent_version": 1,
    "from": "+14155550100",
    "to": "+14155550199",
    "twilio_call_sid": "CA00000000000000000000000000000001",
    "variables": {"first_name": "Ada"},
    "metadata": {},
    "created_at": "2026-11-22T10:02:00Z",
    "answered_at": "2026-11-22T10:02:06Z",
    "ended_at": "2026-11-22T10:02:48Z",
    "duration_seconds": 42,
    "ended_reason": "caller_hung_up",
    "answered_by": None,
    "usage": {
        "input_text": 410,
        "input_audio": 350,
        "input_cached_text": 128,
        "input_cached_audio": 64,
        "output_text": 90,
        "output_audio": 420,
    },
    "cost": {
        "currency": "USD",
        "model": "0.041200",
        "telephony": "0.014000",
        "telephony_currency": "USD",
        "total": "0.055200",
    },
    "latency": {
        "answer_to_first_audio_ms": 640,
        "turns": 3,
        "response_p50_ms": 910,
        "response_p95_ms": 1180,
        "vad_ms": 500,
        "model_p50_ms": 400,
        "bridge_p95_ms": 6,
    },
    "error": None,
}
TRANSCRIPT: dict[str, Any] = {
    "call_id": CALL["id"],
    "items": [
        {
            "role": "agent",
            "text": "Lindgren Dental, good day.",
            "start_ms": 640,
            "end_ms": 2100,
            "interrupted": True,
        },
        {
            "role": "caller",
            "text": "Are you open tomorrow?",
            "start_ms": 1900,
            "end_ms": 3200,
            "interrupted": False,
        },
    ],
}
EVENTS: dict[str, Any] = {
    "items": [
        {
            "id": "17",
            "call_id": CALL["id"],
            "at": "2026-11-22T10:02:06.640Z",
            "offset_ms": 640,
            "type": "agent.started_speaking",
            "data": {},
        }
    ],
    "next_cursor": None,
}
PRICES: dict[str, Any] = {
    "items": [
        {
            "model": "gpt-realtime-2.1",
            "kind": "output_audio",
            "usd": "64.00",
            "valid_from": "2025-08-28",
        }
    ]
}
GUARDS: dict[str, Any] = {
    "countries": ["US", "CA"],
    "allow": [],
    "deny": ["+1242*"],
    "max_calls_per_day": 500,
    "max_calls_per_destination_per_day": 3,
    "max_concurrent_calls": 10,
    "max_cost_per_day": "50",
}
AUDIT_LOG: dict[str, Any] = {
    "items": [
        {
            "id": "audit_019ab0542b3c4d5e6f708192a3b4c5d6",
            "at": "2026-11-22T10:04:00Z",
            "api_key_id": "admin",
            "api_key_hint": "ADMIN_API_KEY",
            "action": "agent.changed",
            "object_id": AGENT_ID,
            "fields": ["prompt", "voice"],
        }
    ],
    "next_cursor": None,
}
_SPENT: dict[str, Any] = {
    "calls": 12,
    "unknown": 1,
    "model": "0.531000",
    "telephony": "0.168000",
    "total": "0.699000",
}
COSTS: dict[str, Any] = {
    "from": "2026-11-01",
    "to": "2026-11-22",
    "currency": "USD",
    "items": [{"agent_id": None, "day": "2026-11-22", **_SPENT}],
    "total": _SPENT,
}
NEW_KEY: dict[str, Any] = {"name": "dashboard", "scopes": ["calls:read", "agents:read"]}
KEY: dict[str, Any] = {
    "id": "key_019ab0523a4b5c6d7e8f9001a2b3c4d5",
    **NEW_KEY,
    "hint": "cb_x7Qf2",
    "created_at": "2026-11-22T10:03:00Z",
    "last_used_at": None,
}
KEY_WITH_SECRET: dict[str, Any] = {**KEY, "secret": "cb_x7Qf2…"}
NEW_WEBHOOK: dict[str, Any] = {
    "url": "https://example.com/callbridge",
    "events": ["call.answered", "call.ended"],
}
WEBHOOK_WITH_SECRET: dict[str, Any] = {
    "id": "webhook_019ab0553c4d5e6f708192a3b4c5d6e7",
    **NEW_WEBHOOK,
    "created_at": "2026-11-22T10:05:00Z",
    "secret": "whsec_…",
}
WEBHOOK_DELIVERY: dict[str, Any] = {
    "id": "msg_019ab0564d5e6f708192a3b4c5d6e7f8",
    "webhook_id": WEBHOOK_WITH_SECRET["id"],
    "call_id": CALL["id"],
    "event_type": "call.ended",
    "status": "pending",
    "attempts": 0,
    "response_code": 500,
    "error": "answered 500",
    "created_at": "2026-11-22T10:02:48Z",
    "last_attempt_at": "2026-11-22T10:02:48Z",
    "next_attempt_at": "2026-11-22T10:06:00Z",
}
