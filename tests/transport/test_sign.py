"""DKIM: what we sign verifies elsewhere, keys stay what they are, records can be published."""

from __future__ import annotations

import base64
import hashlib
import itertools
import stat
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import dkim
import pytest
from dkim.canonicalization import Relaxed
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.transport.body_hash import RelaxedBody, relaxed_body_hash
from appliance.transport.sign import (
    Algorithm,
    DkimKey,
    ensure_keys,
    generate_keys,
    load_keys,
    sign,
    txt_record,
    txt_strings,
)
from tests.support.contents import InMemory, Repeated

KEYS = generate_keys("example.org")
HEADER = b"From: Ana <ana@example.org>\r\nTo: b@example.net\r\nSubject: hello\r\n there\r\nDate: today\r\n"


def published(*keys: DkimKey) -> Callable[..., bytes | None]:
    zone = {f"{key.selector}._domainkey.{key.domain}.": txt_record(key) for key in keys}

    def txt(name: bytes | str, timeout: float = 5) -> bytes | None:
        record = zone.get(name.decode() if isinstance(name, bytes) else name)
        return record.encode() if record else None

    return txt


def verified(message: bytes) -> list[bool]:
    """For each signature from the top."""
    found = dkim.DKIM(message)
    return [_verified(found, idx) for idx in range(message.count(b"DKIM-Signature:"))]


def _verified(found: dkim.DKIM, idx: int) -> bool:
    try:
        return bool(found.verify(idx, dnsfunc=published(*KEYS)))
    except dkim.ValidationError:
        return False


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(HEADER + b"\r\nhello\r\n", id="plain"),
        pytest.param(HEADER + b"\r\n", id="empty body"),
        pytest.param(HEADER, id="no empty line"),
        pytest.param(HEADER + b"\r\nno final line end", id="no final line end"),
        pytest.param(HEADER + b"\r\n\r\n\r\n\r\n", id="only empty lines"),
        pytest.param(HEADER + b"\r\n a\t b  \r\n\r\n \r\n\r\n", id="white space everywhere"),
        pytest.param(HEADER + b"Subject: twice\r\n\r\n.dots\r\n..\r\n", id="two subjects, dots"),
        pytest.param("From: a@example.org\r\nSubject: grüß\r\n\r\nübel\r\n".encode(), id="8-bit"),
    ],
)
def test_both_signatures_verify(message: bytes) -> None:
    signature = sign(KEYS, "example.org", b"", InMemory(message, piece_octets=7))
    assert signature.endswith(b"\r\n")
    assert b"a=rsa-sha256" in signature
    assert b"a=ed25519-sha256" in signature
    assert b"c=relaxed/relaxed" in signature
    assert all(len(line) <= 78 for line in signature.split(b"\r\n"))
    assert verified(signature + message) == [True, True]


def test_a_changed_body_does_not_verify() -> None:
    message = HEADER + b"\r\nhello\r\n"
    signature = sign(KEYS, "example.org", b"", InMemory(message))
    assert verified(signature + message.replace(b"hello\r\n", b"hallo\r\n")) == [False, False]


def test_a_second_from_added_on_the_way_does_not_verify() -> None:
    message = HEADER + b"\r\nhello\r\n"
    signature = sign(KEYS, "example.org", b"", InMemory(message))
    assert verified(b"From: evil@example.net\r\n" + signature + message) == [False, False]
    assert verified(b"Subject: evil\r\n" + signature + message) == [False, False]


def test_header_lines_of_ours_before_the_content_may_be_signed_and_received_is_not() -> None:
    message = b"From: a@example.org\r\n\r\nhello\r\n"
    prefix = b"Received: from us\r\nDate: today\r\n"
    signature = sign(KEYS, "example.org", prefix, InMemory(message))
    assert verified(signature + prefix + message) == [True, True]
    assert verified(signature + prefix.replace(b"from us", b"changed") + message) == [True, True]
    assert verified(signature + prefix.replace(b"today", b"never") + message) == [False, False]


@pytest.mark.parametrize(
    "message",
    [b"To: x@example.net\r\n\r\nno from\r\n", b" starts with a space\r\n\r\n", b"no header at all\r\n\r\n", b""],
)
def test_what_cannot_be_signed_is_left_unsigned(message: bytes) -> None:
    assert sign(KEYS, "example.org", b"", InMemory(message)) == b""


def test_only_keys_of_the_domain_sign() -> None:
    message = InMemory(HEADER + b"\r\nhello\r\n")
    assert sign(KEYS, "example.net", b"", message) == b""
    assert sign((), "example.org", b"", message) == b""


def test_a_header_that_does_not_end_is_not_read_for_ever() -> None:
    assert sign(KEYS, "example.org", b"", Repeated(HEADER, b"X-Line: more\r\n", 100_000)) == b""


def test_signing_25_mb_needs_little_memory() -> None:
    content = Repeated(HEADER + b"\r\n", b"A line of text, again and again.  \r\n", 25_000_000 // 36)
    sign(KEYS, "example.org", b"", InMemory(HEADER + b"\r\nwarm\r\n"))
    tracemalloc.start()
    try:
        signature = sign(KEYS, "example.org", b"", content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert signature
    assert peak < 5_000_000


def test_keys_are_made_once_and_are_for_our_eyes_only(tmp_path: Path) -> None:
    made = ensure_keys(tmp_path / "dkim", "example.org")
    assert {key.algorithm for key in made} == {Algorithm.RSA, Algorithm.ED25519}
    assert {key.selector for key in ensure_keys(tmp_path / "dkim", "example.org")} == {key.selector for key in made}
    assert set(load_keys(tmp_path / "dkim", "example.org")) == set(made)
    for path in (tmp_path / "dkim" / "example.org").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "dkim" / "example.org").stat().st_mode) == 0o700


def test_a_file_that_is_no_key_is_passed_over(tmp_path: Path) -> None:
    ensure_keys(tmp_path, "example.org")
    (tmp_path / "example.org" / "broken.pem").write_text("not a key")
    assert len(load_keys(tmp_path, "example.org")) == 2
    assert load_keys(tmp_path, "elsewhere.example") == ()


def test_the_private_key_is_not_shown() -> None:
    assert "PRIVATE" not in repr(KEYS[0])


def test_records_can_be_published() -> None:
    for key in KEYS:
        assert txt_record(key).startswith(f"v=DKIM1; k={key.algorithm}; p=")
        assert "".join(txt_strings(key)) == txt_record(key)
        assert all(len(string) <= 255 for string in txt_strings(key))
    assert len(txt_strings(KEYS[0])) == 2
    assert len(base64.b64decode(txt_record(KEYS[1]).rpartition("p=")[2])) == 32


BODIES = st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"\r", b".", b"long text "]), max_size=30).map(b"".join)


@settings(max_examples=400, deadline=None)
@given(BODIES, st.lists(st.integers(0, 60), max_size=6))
def test_the_relaxed_body_is_dkimpys_wherever_it_is_cut(body: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    streamed = RelaxedBody()
    out = b"".join(streamed.feed(body[a:b]) for a, b in itertools.pairwise(places)) + streamed.finish()
    complete = body if not body or body.endswith(b"\r\n") else body + b"\r\n"
    assert out == Relaxed.canonicalize_body(complete)
    assert relaxed_body_hash([body]) == hashlib.sha256(out).digest()


@pytest.mark.parametrize("end", [b"", b"\r\n", b" \t \r\n\r\n", b"   x\r\n"])
def test_a_line_without_end_is_hashed_as_it_comes(end: bytes) -> None:
    body = b"word \t" * 60_000 + end
    complete = body if body.endswith(b"\r\n") else body + b"\r\n"
    pieces = [body[at : at + 50_001] for at in range(0, len(body), 50_001)]
    assert relaxed_body_hash(pieces) == hashlib.sha256(Relaxed.canonicalize_body(complete)).digest()
