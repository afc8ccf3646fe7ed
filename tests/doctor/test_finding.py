"""A finding is what programs read: its words on the wire do not change."""

from __future__ import annotations

import msgspec
import pytest

from appliance.doctor.finding import Finding, Status, count


def test_as_json() -> None:
    finding = Finding("card", Status.NEEDS_YOU, "The card is nearly full.", "Delete mail soon.")
    assert msgspec.json.decode(msgspec.json.encode(finding)) == {
        "topic": "card",
        "status": "needs-you",
        "what": "The card is nearly full.",
        "do": "Delete mail soon.",
    }
    assert [str(status) for status in Status] == ["good", "note", "needs-you", "broken"]


@pytest.mark.parametrize(("number", "words"), [(0, "0 days"), (1, "1 day"), (2, "2 days"), (-1, "-1 days")])
def test_one_is_one(number: int, words: str) -> None:
    assert count(number, "day") == words
