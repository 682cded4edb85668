from __future__ import annotations

import base64
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from outgoing.signature import signed_headers

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@given(
    st.binary(min_size=24, max_size=64),
    st.text(min_size=1).filter(str.isascii),
    st.dictionaries(st.text(), st.text()),
)
def test_the_reference_library_accepts_our_signatures(key: bytes, name: str, content: dict[str, str]) -> None:
    """Receivers check with the library of their own language; this one is the standard's own."""
    secret = "whsec_" + base64.b64encode(key).decode()
    body = msgspec.json.encode(content)
    headers = signed_headers(secret, f"msg_{name}", int(time.time()), body)
    assert Webhook(secret).verify(body.decode(), headers) == content


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-timestamp", "body"])
def test_whatever_is_changed_on_the_way_is_noticed(changed: str) -> None:
    now = int(time.time())
    headers = signed_headers(SECRET, "msg_1", now, b'{"a":1}')
    body = '{"a":2}' if changed == "body" else '{"a":1}'
    if changed == "webhook-id":
        headers["webhook-id"] = "msg_2"
    if changed == "webhook-timestamp":
        headers["webhook-timestamp"] = str(now + 1)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, headers)
