"""What is named as VANISHED (EARLIER), against plain sets; and the grammar of what a client that comes back says."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.imap.grammar.cursor import Cursor, GrammarFault
from appliance.imap.grammar.modifiers import (
    FetchModifiers,
    Resync,
    SelectParameters,
    fetch_modifiers,
    select_parameters,
)
from appliance.imap.values import SequenceSet, sequence_set
from appliance.imap.vanished import agreed, missing, remembered, spans_of
from tests.support.imap_responses import number_set

UIDS = st.sets(st.integers(1, 60), max_size=30)
RANGES = st.lists(st.tuples(st.integers(1, 80), st.integers(1, 80)), min_size=1, max_size=5)


def named(text: str) -> set[int]:
    found = number_set(text.encode()) if text else []
    assert len(found) == len(set(found)), "a UID stands twice"
    return set(found)


@settings(max_examples=100, deadline=None)
@given(there=UIDS, gone=UIDS, ranges=st.none() | RANGES, above=st.integers(0, 60))
def test_what_is_named_is_asked_for_and_not_there(
    there: set[int], gone: set[int], ranges: list[tuple[int, int]] | None, above: int
) -> None:
    wanted = None if ranges is None else SequenceSet(tuple(ranges))
    largest = max(there | gone, default=0)
    asked = {
        uid for uid in range(1, largest + 1) if ranges is None or any(min(pair) <= uid <= max(pair) for pair in ranges)
    }
    spans = spans_of(wanted, largest)
    assert named(remembered(sorted(gone), spans)) == gone & asked
    assert named(missing(sorted(there), spans, above=above)) == {uid for uid in asked - there if uid > above}


@settings(max_examples=100, deadline=None)
@given(had=UIDS.filter(bool), kept=st.data())
def test_nothing_is_gone_up_to_what_is_agreed(had: set[int], kept: st.DataObject) -> None:
    """Whatever pairs a client names, no message up to the agreed UID is missing."""
    known = sorted(had)
    now = sorted(kept.draw(st.sets(st.sampled_from(known))))
    places = sorted(kept.draw(st.sets(st.integers(0, len(known) - 1), min_size=1)))
    numbers = SequenceSet(tuple((place + 1, place + 1) for place in places))
    uids = SequenceSet(tuple((known[place], known[place]) for place in places))
    up_to = agreed(Resync(1, 1, None, (numbers, uids)), now)
    assert [uid for uid in known if uid <= up_to] == [uid for uid in now if uid <= up_to]


MODSEQS = st.integers(1, 2**63 - 1)


@settings(max_examples=100, deadline=None)
@given(uidvalidity=st.integers(1, 2**32 - 1), modseq=MODSEQS, known=st.none() | UIDS.filter(bool), lower=st.booleans())
def test_what_a_client_remembers_is_read_as_it_was_said(
    uidvalidity: int, modseq: int, known: set[int] | None, lower: bool
) -> None:
    said = f"{uidvalidity} {modseq}" + ("" if known is None else f" {sequence_set(sorted(known))}")
    octets = f" (QRESYNC ({said}))".encode()
    found = select_parameters(Cursor(octets.lower() if lower else octets))
    assert isinstance(found, SelectParameters) and found.resync is not None
    assert (found.resync.uidvalidity, found.resync.modseq) == (uidvalidity, modseq)
    spans = [] if found.resync.known is None else spans_of(found.resync.known, 100)
    assert {uid for low, high in spans for uid in range(low, high + 1)} == (known or set())


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["(", ")", " ", "CHANGEDSINCE", "VANISHED", "PARTIAL", "QRESYNC", "1", "0", "1:2", "-1:-5", "$", "*"]
        )
    ).map(lambda pieces: "(" + "".join(pieces))
)
def test_whatever_stands_there_is_read_or_refused(text: str) -> None:
    for read in (fetch_modifiers, select_parameters):
        cursor = Cursor((" " + text if read is select_parameters else text).encode())
        try:
            found = read(cursor)
        except GrammarFault:
            continue
        if isinstance(found, FetchModifiers):
            assert not found.vanished or found.changed_since is not None
