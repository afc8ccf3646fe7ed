"""Replies become octets: one line each, ASCII, never too long, with words for the peer and for the owner."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.mail.reason import because
from appliance.mail.reply import Reply
from appliance.smtp import replies

ALL = {name: value for name, value in vars(replies).items() if isinstance(value, Reply)} | {
    "syntax": replies.syntax("NOOP"),
    "order": replies.order("MAIL"),
    "too_large": replies.too_large(5),
    "too_many_recipients": replies.too_many_recipients(5),
    "our_fault": replies.our_fault("OSError(28, 'secret')"),
}


@pytest.mark.parametrize("reply", ALL.values(), ids=ALL.keys())
def test_each_has_its_words(reply: Reply) -> None:
    line = replies.render(reply).decode("ascii")
    assert line.startswith(f"{reply.code} {reply.code // 100}.") and line.endswith("\r\n")
    assert "{" not in line and "secret" not in line
    assert reply.reason.for_owner


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=700))
def test_no_text_can_add_a_line(text: str) -> None:
    """A reason may hold what the peer said."""
    line = replies.render(Reply(501, "1.3", because("address-malformed", why=text)))
    assert len(line) <= 512
    assert line.isascii() and line.endswith(b"\r\n")
    assert line.count(b"\r") == line.count(b"\n") == 1


def test_several_lines() -> None:
    assert replies.render_lines(250, ["a"]) == b"250 a\r\n"
    assert replies.render_lines(250, ["a", "B C", "d"]) == b"250-a\r\n250-B C\r\n250 d\r\n"
