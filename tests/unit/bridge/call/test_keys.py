"""A caller's keys become one entry: after its last key, when there are enough, or when no more come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.call.keys import KeyEntry, Keys, told, written


def entered(keys: str, how: Keys | None = None) -> tuple[list[str], KeyEntry]:
    """A key each 0.1 s from 100.0 on; the entries that this made."""
    entry = KeyEntry(how or Keys())
    ended = [entry.press(key, 100 + place / 10) for place, key in enumerate(keys)]
    return [one for one in ended if one is not None], entry


def test_the_terminator_ends_an_entry_and_is_part_of_it():
    entries, entry = entered("42#")
    assert entries == ["42#"]
    assert (entry.deadline, entry.begun) == (None, False)


def test_a_pause_ends_an_entry():
    entries, entry = entered("42")
    assert (entries, entry.deadline) == ([], 102.1)
    assert entry.end() == "42"
    assert entry.end() is None


def test_enough_keys_end_an_entry():
    """A menu with one key waits for nothing."""
    assert entered("12", Keys(max_length=1))[0] == ["1", "2"]


def test_without_a_terminator_every_key_is_one():
    entries, entry = entered("4#2*", Keys(terminator=None))
    assert (entries, entry.end()) == ([], "4#2*")


def test_another_terminator():
    assert entered("4#2*", Keys(terminator="*"))[0] == ["4#2*"]


@given(st.text("0123456789*#", max_size=200), st.integers(1, 64))
def test_no_key_is_lost_or_doubled(keys: str, max_length: int):
    entries, entry = entered(keys, Keys(max_length=max_length))
    assert "".join([*entries, entry.end() or ""]) == keys
    assert all(len(one) <= max_length for one in entries)


def test_a_secret_is_told_and_not_written():
    assert told("42#") == "The caller pressed 4 2 #"
    assert written("42#", secret=False) == "[pressed 4 2 #]"
    assert written("42#", secret=True) == "[pressed • • •]"
