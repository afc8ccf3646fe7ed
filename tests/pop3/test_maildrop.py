"""Numbers stay, marks count, unique-ids are those of the store."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.pop3.grammar import MessageNumber
from appliance.pop3.locks import MaildropLocks
from appliance.pop3.maildrop import Inbox, Maildrop


def test_a_message_keeps_its_number_when_others_are_marked() -> None:
    maildrop = Maildrop(Inbox(1, 77, (3, 5, 9), (10, 20, 40)))
    maildrop.mark(MessageNumber(2))
    assert list(maildrop.numbers()) == [1, 3]
    assert maildrop.unique_id(MessageNumber(3)) == "77.9"
    assert (maildrop.count, maildrop.size_octets) == (2, 50)
    assert maildrop.marked_uids == (5,)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 10**9), max_size=8), st.lists(st.integers(-1, 10) | st.none()))
def test_marks_agree_with_a_plain_set(sizes: list[int], marks: list[int | None]) -> None:
    """None stands for unmark_all."""
    maildrop = Maildrop(Inbox(1, 1, tuple(range(10, 10 + len(sizes))), tuple(sizes)))
    left = set(range(1, len(sizes) + 1))
    for mark in marks:
        if mark is None:
            maildrop.unmark_all()
            left = set(range(1, len(sizes) + 1))
        else:
            assert maildrop.has(MessageNumber(mark)) == (mark in left)
            if mark in left:
                maildrop.mark(MessageNumber(mark))
                left.discard(mark)
        assert list(maildrop.numbers()) == sorted(left)
        assert maildrop.count == len(left)
        assert maildrop.size_octets == sum(sizes[number - 1] for number in left)
        assert set(maildrop.marked_uids) == {9 + n for n in range(1, len(sizes) + 1) if n not in left}


def test_a_unique_id_is_never_too_long() -> None:
    """RFC 1939 7: 1 to 70 characters from 0x21 to 0x7E."""
    longest = Maildrop(Inbox(1, 2**32 - 1, (2**32 - 1,), (0,))).unique_id(MessageNumber(1))
    assert len(longest) <= 70
    assert all(0x21 <= ord(character) <= 0x7E for character in longest)


def test_one_session_for_each_account() -> None:
    locks = MaildropLocks()
    assert locks.take(1)
    assert not locks.take(1)
    assert locks.take(2)
    locks.release(1)
    assert locks.take(1)
    assert not locks.take(2)
