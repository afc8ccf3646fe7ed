"""What one client knows of a mailbox, against a plain model of what it was told."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.imap.view import (
    MOST_NOTES,
    RECENT,
    Exists,
    Expunged,
    FlagRow,
    FlagsNow,
    Journal,
    KeywordsNow,
    MailboxView,
    Missing,
    ModseqNow,
    Note,
    RecentCount,
    Untagged,
)

ROWS = [(2, 0, "", 5), (4, 1, "a b", 5), (7, 2, "", 6), (9, 1, "", 7)]


def view(first_recent_uid: int = 100) -> MailboxView:
    return MailboxView(ROWS, first_recent_uid=first_recent_uid)


def test_a_view_counts_what_select_tells() -> None:
    subject = view(first_recent_uid=7)
    assert (len(subject), subject.recent, subject.first_unseen) == (4, 2, 1)
    assert subject.keyword_names == ("a", "b")
    assert MailboxView([], first_recent_uid=1).first_unseen is None


CHANGES: dict[str, tuple[list[FlagRow], list[int], list[Untagged]]] = {
    "nothing": ([], [], []),
    "flags that are known already": ([(4, 1, "a b", 5)], [], []),
    "changed, and changed back": ([(4, 1, "a b", 8)], [], [ModseqNow(2, 4, 8)]),
    "changed back and gone": ([(4, 1, "a b", 8)], [4], [Expunged(2, 4)]),
    "other flags": ([(4, 3, "a b", 8)], [], [FlagsNow(2, 4, 3, "a b", 8)]),
    "a keyword that was not in use": (
        [(2, 0, "new", 8)],
        [],
        [KeywordsNow(("a", "b", "new")), FlagsNow(1, 2, 0, "new", 8)],
    ),
    "a new message": ([(12, 0, "", 8)], [], [Exists(5), RecentCount(1)]),
    "a new message that another session saw first": ([(11, 0, "", 8)], [], [Exists(5), RecentCount(0)]),
    "one gone": ([], [4], [Expunged(2, 4)]),
    "several gone, from the highest down": ([], [2, 4, 9], [Expunged(4, 9), Expunged(2, 4), Expunged(1, 2)]),
    "gone that was never seen": ([], [3, 11], []),
    "flags of one that is gone": ([(4, 3, "", 8)], [4], [Expunged(2, 4)]),
    "all at once": (
        [(2, 1, "", 8), (12, 0, "", 9)],
        [4],
        [FlagsNow(1, 2, 1, "", 8), Expunged(2, 4), Exists(4), RecentCount(1)],
    ),
    "older than what is known": ([(9, 0, "", 3)], [], []),
}


@pytest.mark.parametrize(("changed", "gone", "told"), CHANGES.values(), ids=CHANGES)
def test_the_client_is_told_what_it_does_not_know(
    changed: list[FlagRow], gone: list[int], told: list[Untagged]
) -> None:
    subject = view()
    assert subject.apply(changed, gone, first_recent_uid=12, may_expunge=True) == told
    assert subject.apply(changed, gone, first_recent_uid=12, may_expunge=True) == []


def test_a_gone_message_keeps_its_place_until_it_may_be_told() -> None:
    subject = view()
    assert subject.apply([(12, 0, "", 8)], [4], first_recent_uid=99, may_expunge=False) == [Exists(5), RecentCount(0)]
    assert subject.has_untold and subject.place_of(9) == 3 and subject.is_gone(1)
    assert subject.apply([(9, 0, "", 9)], [], first_recent_uid=99, may_expunge=False) == [FlagsNow(4, 9, 0, "", 9)]
    assert subject.apply([], [], first_recent_uid=99, may_expunge=True) == [Expunged(2, 4)]
    assert not subject.has_untold and subject.place_of(9) == 2


def test_recent_stays_when_flags_change() -> None:
    subject = view(first_recent_uid=9)
    assert subject.apply([(9, 3, "", 9)], [], first_recent_uid=99, may_expunge=True) == [
        FlagsNow(4, 9, 3 | RECENT, "", 9)
    ]


def test_quiet_changes_are_kept_and_not_told() -> None:
    subject = view()
    assert subject.apply([(2, 8, "", 9)], [], first_recent_uid=99, may_expunge=False, quiet=True) == []
    assert subject.flags[0] == 8


@dataclass
class Told:
    """A client that believes what it is told, and nothing else."""

    uids: list[int] = field(default_factory=list)
    flags: dict[int, int] = field(default_factory=dict)

    def hear(self, told: list[Untagged], subject: MailboxView) -> None:
        for each in told:
            match each:
                case Expunged(number, _):
                    del self.uids[number - 1]
                case Exists(count):
                    assert count >= len(self.uids)
                    self.uids += subject.uids[len(self.uids) : count]
                case FlagsNow(number, uid, flags, _, _):
                    assert self.uids[number - 1] == uid
                    self.flags[uid] = flags & ~RECENT


steps = st.lists(
    st.tuples(st.sampled_from(["append", "flag", "expunge"]), st.integers(0, 30), st.integers(0, 31), st.booleans()),
    max_size=40,
)


@given(steps)
@settings(max_examples=200, deadline=None)
def test_numbers_never_drift_apart(steps: list[tuple[str, int, int, bool]]) -> None:
    store: dict[int, tuple[int, int]] = {}
    modseq = next_uid = 1
    subject = MailboxView([], first_recent_uid=1)
    client = Told()
    changed: dict[int, FlagRow] = {}
    gone: list[int] = []
    for what, which, flags, tell in steps:
        modseq += 1
        if what == "append":
            store[next_uid] = (flags, modseq)
            changed[next_uid] = (next_uid, flags, "", modseq)
            next_uid += 1
        elif store:
            uid = sorted(store)[which % len(store)]
            if what == "flag":
                store[uid] = (flags, modseq)
                changed[uid] = (uid, flags, "", modseq)
            else:
                del store[uid]
                changed.pop(uid, None)
                gone.append(uid)
        if tell:
            rows = [changed[uid] for uid in sorted(changed)]
            client.hear(subject.apply(rows, gone, first_recent_uid=1, may_expunge=which % 3 != 0), subject)
            changed, gone = {}, []
            assert client.uids == list(subject.uids)
    rows = [changed[uid] for uid in sorted(changed)]
    client.hear(subject.apply(rows, gone, first_recent_uid=1, may_expunge=True), subject)
    assert client.uids == list(subject.uids) == sorted(store)
    assert [flags & ~RECENT for flags in subject.flags] == [store[uid][0] for uid in sorted(store)]
    for uid, flags in client.flags.items():
        assert uid not in store or store[uid][0] == flags


def test_a_journal_without_gaps_names_the_uids() -> None:
    journal = Journal(5)
    journal.note(6, Note((1, 2), ()))
    journal.note(7, Note((2,), (3,)))
    assert journal.dirty
    assert journal.missing(7) == Missing((1, 2), (3,), 5)
    journal.caught_up(7)
    assert not journal.dirty and journal.missing(7) is None


def test_a_gap_asks_for_everything_since() -> None:
    journal = Journal(5)
    journal.note(7, Note((2,), ()))
    assert journal.missing(7) == Missing(None, (), 5)


def test_what_nobody_told_asks_for_everything_since() -> None:
    assert Journal(5).missing(6) == Missing(None, (), 5)


def test_a_whole_change_asks_for_everything_since() -> None:
    journal = Journal(5)
    journal.note(6, Note((), (), whole=True))
    assert journal.missing(6) == Missing(None, (), 5)


def test_an_own_change_is_not_looked_at_again() -> None:
    journal = Journal(5)
    journal.own(6)
    journal.note(6, Note((1,), ()))
    assert not journal.dirty and journal.missing(6) is None


def test_an_own_change_does_not_hide_another_before_it() -> None:
    journal = Journal(5)
    journal.own(7)
    assert journal.missing(7) == Missing(None, (), 5)
    journal.note(6, Note((1,), ()))
    assert journal.missing(7) == Missing((1,), (), 5)
    journal.caught_up(7)
    journal.note(8, Note((4,), ()))
    assert journal.missing(8) == Missing((4,), (), 7)


def test_old_news_is_no_news() -> None:
    journal = Journal(5)
    journal.note(5, Note((1,), ()))
    assert not journal.dirty


def test_a_client_that_says_nothing_costs_no_memory() -> None:
    journal = Journal(5)
    for modseq in range(6, 6 + 10 * MOST_NOTES):
        journal.note(modseq, Note((modseq,), ()))
    assert len(journal._notes) <= MOST_NOTES and journal.dirty
    assert journal.missing(5 + 10 * MOST_NOTES) == Missing(None, (), 5)


def test_very_many_changes_are_asked_for_at_once() -> None:
    journal = Journal(5)
    assert journal.missing(5 + MOST_NOTES + 1) == Missing(None, (), 5)


def test_what_is_said_before_the_bus_tells_of_it_asks_for_all_before_it() -> None:
    journal = Journal(5)
    journal.said(5)
    assert not journal.dirty
    journal.said(8)
    journal.note(8, Note((3,), ()))
    assert journal.dirty and journal.missing(8) == Missing(None, (), 5)
    journal.caught_up(8)
    assert not journal.dirty
    journal.own(9)
    journal.said(9)
    assert not journal.dirty and journal.modseq == 9
