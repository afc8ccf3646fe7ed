"""Octets that look like mail, more or less."""

from __future__ import annotations

from hypothesis import strategies as st

_FRAGMENTS = [
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\n\n",
    b"\r",
    b"--a\r\n",
    b"--a--\r\n",
    b"--b\r\n",
    b"--b--\r\n",
    b"--ab\r\n",
    b"--a",
    b"--a-- \t\r\n",
    b"\n--a\n",
    b"\r\n--b",
    b"--x\r\n",
    b"-",
    b" ",
    b"text",
    b"text without a break that is longer than the others",
    b"\xe4\xff",
    b"Content-Type: multipart/mixed; boundary=a\r\n",
    b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n",
    b'Content-Type: multipart/digest;\r\n boundary="b"\r\n\r\n',
    b"Content-Type: multipart/alternative; boundary=ab\n\n--ab\n",
    b"Content-Type: multipart/mixed\r\n",
    b"Content-Type: message/rfc822\r\n\r\n",
    b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n",
    b"Content-Type: text/plain; boundary=a\r\n\r\n",
    b"Content-Type: text/html\r\n\r\n<p>Hello</p>",
    b"Content-Type: nonsense\r\n",
    b"Content-Disposition: attachment; filename=x\r\n",
    b"From: A <a@b>, c@d\r\n",
    b"Subject: x\r\n y\r\n",
    b"Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n",
]

mail_like = st.lists(st.sampled_from(_FRAGMENTS) | st.binary(max_size=4), max_size=40).map(b"".join)


@st.composite
def cuts(draw: st.DrawFn, message: bytes) -> list[bytes]:
    """The message in chunks, some of them empty."""
    places = sorted(draw(st.lists(st.integers(0, len(message)), max_size=12)))
    return [message[start:end] for start, end in zip([0, *places], [*places, len(message)], strict=True)]
