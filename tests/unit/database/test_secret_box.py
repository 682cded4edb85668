from __future__ import annotations

import pytest

from database.secret_box import SecretBox, UnreadableSecret


def test_what_is_put_in_comes_out_and_is_not_to_be_seen_in_between() -> None:
    box = SecretBox(["a-secret-key-of-the-server"])
    encrypted = box.encrypt("Bearer 1234")
    assert "1234" not in encrypted
    assert box.decrypt(encrypted) == "Bearer 1234"


def test_after_rotation_old_secrets_are_read_and_new_ones_use_the_first_key() -> None:
    old, both, new = SecretBox(["old-key"]), SecretBox(["new-key", "old-key"]), SecretBox(["new-key"])
    assert both.decrypt(old.encrypt("x")) == "x"
    assert new.decrypt(both.encrypt("x")) == "x"


def test_a_secret_of_an_unknown_key_or_a_tampered_one_is_refused() -> None:
    box = SecretBox(["a-key"])
    for wrong in (SecretBox(["another"]).encrypt("x"), box.encrypt("x")[:-4] + "AAAA", "nonsense", ""):
        with pytest.raises(UnreadableSecret):
            box.decrypt(wrong)
