"""A header in ASCII for who did not say that it takes UTF-8."""

from __future__ import annotations

from email import message_from_bytes, policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.pop3.downgrade import LINE_OCTETS, downgraded


def down(octets: bytes) -> bytes:
    return b"".join(downgraded([octets]))


SAME = {
    "ASCII": b"Subject: hello\r\n\r\nbody\r\n",
    "UTF-8 in the body": "Subject: hello\r\n\r\nKafé\r\n".encode(),
    "neither ASCII nor UTF-8": b"Subject: \xfcber\r\n\r\nbody",
    "no body": b"Subject: hello\r\n",
    "nothing": b"",
    "a bare LF": b"Subject: x\n\n\xc3\xa9",
    "a line that is too long": b"X: " + b"a" * LINE_OCTETS + b"\r\n\r\n\xc3\xa9",
    "one whose rest is empty": b"X: " + b"a" * (LINE_OCTETS - 3) + b"\r\nSubject: y\r\n\r\nbody",
}


@pytest.mark.parametrize("octets", SAME.values(), ids=SAME.keys())
def test_what_stays_as_it_is(octets: bytes) -> None:
    assert down(octets) == octets


WORDS = {
    "a word": ("Subject: Grüße an alle", "Subject", "Grüße an alle"),
    "a folded one": ("Subject: an\r\n Grüße", "Subject", "an Grüße"),
    "a name": ("From: Jörg <joerg@example.org>", "From", "Jörg <joerg@example.org>"),
    "a quoted name": ('From: "M., Jörg" <joerg@example.org>', "From", '"M., Jörg" <joerg@example.org>'),
    "several words": ("Subject: Grüße für Jörg und Émile", "Subject", "Grüße für Jörg und Émile"),
    "over two lines": ("Subject: Grüße\r\n für Jörg", "Subject", "Grüße für Jörg"),
    "after an encoded word": ("Subject: =?UTF-8?B?w6k=?= für", "Subject", "é für"),
    "a quoted name and a word": ('From: "Jörg" Émile <je@example.org>', "From", "Jörg Émile <je@example.org>"),
    "an ideographic space": ("Subject: 件名\u3000テスト", "Subject", "件名\u3000テスト"),
    "a quotation mark alone": ('Subject: 5" für Jörg', "Subject", '5" für Jörg'),
}


@pytest.mark.parametrize(("line", "field", "value"), WORDS.values(), ids=WORDS.keys())
def test_words(line: str, field: str, value: str) -> None:
    """A mail program reads the same as one that takes UTF-8."""
    octets = down(f"{line}\r\n\r\nbody\r\n".encode())
    assert octets.isascii()
    assert str(message_from_bytes(octets, policy=policy.SMTP)[field]) == value


def test_an_address_that_is_not_ascii_becomes_an_empty_group() -> None:
    octets = down("From: x <用户@example.org>\r\n\r\n".encode())
    assert octets == b"From: x =?UTF-8?B?55So5oi3QGV4YW1wbGUub3Jn?= :;\r\n\r\n"


def test_long_words_are_parted_between_characters() -> None:
    octets = down(f"Subject: {'é' * 300}\r\n\r\n".encode())
    lines = octets.split(b"\r\n")
    assert all(len(line) <= 76 + len("Subject: ") for line in lines)
    assert str(message_from_bytes(octets, policy=policy.SMTP)["Subject"]) == "é" * 300


SLOW = {
    # The first and the last took a time by the square of their length: 25 s for each line of the first.
    "quotation marks that nothing closes": 'X: é"' + '\\"' * (LINE_OCTETS // 2 - 10) + "\r\n",
    "as many addresses": "X: é" + "<a" * (LINE_OCTETS // 2 - 10) + "\r\n",
    "lines of nothing": "\t\n" * LINE_OCTETS,
}


@pytest.mark.parametrize("line", SLOW.values(), ids=SLOW.keys())
def test_no_header_takes_long(line: str) -> None:
    """A sender writes it, and the whole process waits for it."""
    octets = down((line * 40 + "\r\nbody").encode())
    assert octets.isascii() and octets.endswith(b"\r\nbody")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(["a", "é", "\u3000", '"', "<", ">", "@", " ", "\r\n", "\n", "X: ", "\\", "="]), max_size=60
    )
)
def test_whole_and_octet_by_octet(parts: list[str]) -> None:
    octets = "".join(parts).encode()
    whole = down(octets)
    assert b"".join(downgraded([octets[at : at + 1] for at in range(len(octets))])) == whole
    header = whole.replace(b"\r\n", b"\n").split(b"\n\n")[0]
    assert header.isascii() or octets.startswith((b"\n", b"\r\n"))
