"""Signatures as Twilio's own package computes them."""

from __future__ import annotations

import pytest
from twilio.request_validator import RequestValidator

from bridge.web.signature import SETTINGS_HEADER, SIGNATURE_HEADER, Signatures

TOKEN = "12345"


@pytest.mark.parametrize(
    ("public_url", "path", "body", "signature"),
    [
        (
            "https://example.com",
            "/myapp.php?foo=1&bar=2",
            "CallSid=CA1234567890ABCDE&Caller=%2B14158675310&Digits=1234&From=%2B14158675310&To=%2B18005551212",
            "L/OH5YylLD5NRKLltdqwSvS0BnU=",
        ),
        ("https://bridge.example.com", "/voice", "A=&B=x+y", "KsEydGozhsWWAu2ZgfYTswznfiY="),
        ("https://bridge.example.com", "/voice", "X=b&X=a&X=a", "jiUx5lN/di43yIvoolnjDYoQmgA="),
        ("https://bridge.example.com", "/voice?agent=a%20b", "", "WmEnXWiHQyyBjt39Emmh6TrBCN4="),
    ],
    ids=["documented example", "blank value", "repeated name", "query in its own spelling"],
)
def test_webhooks_that_twilio_signed_are_believed(
    public_url: str, path: str, body: str, signature: str
) -> None:
    signatures = Signatures(public_url, [TOKEN])
    assert signatures.right_webhook(path, body, {SIGNATURE_HEADER: signature})
    assert not signatures.right_webhook(path, body + "&Digits=2", {SIGNATURE_HEADER: signature})
    assert not signatures.right_webhook(path + "x", body, {SIGNATURE_HEADER: signature})


@pytest.mark.parametrize(
    "signed",
    [
        "wss://bridge.example.com/media",
        "wss://bridge.example.com/media/",
        "https://bridge.example.com/media",
        "https://bridge.example.com/media/",
    ],
)
def test_the_upgrade_is_believed_in_every_spelling_that_was_seen(signed: str) -> None:
    signature = RequestValidator(TOKEN).compute_signature(signed, {})
    assert Signatures("https://bridge.example.com", [TOKEN]).right_upgrade(
        "/media", {SIGNATURE_HEADER: signature}
    )


@pytest.mark.parametrize(
    "signature", ["ASGyPT9kdDVOm79OxfQnw7HcSP8=", "s8PR4IzGlCW8C4hFit29c/IbuH8="], ids=["plain", "slash"]
)
def test_documented_upgrade_signatures_are_believed(signature: str) -> None:
    signatures = Signatures("https://bridge.example.com", [TOKEN])
    assert signatures.right_upgrade("/media", {SIGNATURE_HEADER: signature})
    assert not signatures.right_upgrade("/other", {SIGNATURE_HEADER: signature})


def test_a_port_of_a_local_server_is_part_of_the_address() -> None:
    signature = RequestValidator(TOKEN).compute_signature("http://127.0.0.1:8000/twilio/voice", {"A": "1"})
    signatures = Signatures("http://127.0.0.1:8000", [TOKEN])
    assert signatures.right_webhook("/twilio/voice", "A=1", {SIGNATURE_HEADER: signature})


def test_while_tokens_rotate_either_signs() -> None:
    old = RequestValidator("old").compute_signature("https://h.example/a", {})
    assert Signatures("https://h.example", ["new", "old"]).right_webhook("/a", "", {SIGNATURE_HEADER: old})
    assert not Signatures("https://h.example", ["new"]).right_webhook("/a", "", {SIGNATURE_HEADER: old})


@pytest.mark.parametrize("headers", [{}, {SIGNATURE_HEADER: ""}, {SIGNATURE_HEADER: "nonsense"}])
def test_without_a_right_signature_nothing_is_believed(headers: dict[str, str]) -> None:
    signatures = Signatures("https://h.example", [TOKEN])
    assert not signatures.right_webhook("/a", "", headers)
    assert not signatures.right_upgrade("/a", headers)


@pytest.mark.parametrize("algorithm", ["HMAC_SHA256", "HMAC_MD5"])
def test_a_signature_by_a_shared_key_is_refused(algorithm: str) -> None:
    """We hold no shared key: an auth token must not pass for one."""
    url = "https://example.com/myapp.php"
    signature = RequestValidator(TOKEN).compute_signature(url, {}, "HMAC_SHA256")
    headers = {
        SIGNATURE_HEADER: signature,
        SETTINGS_HEADER: f"key=webhooks_sharedkey_1,algorithm={algorithm}",
    }
    assert not Signatures("https://example.com", [TOKEN]).right_webhook("/myapp.php", "", headers)
