"""The benches' mail is the same everywhere, and is mail."""

from __future__ import annotations

import email
import email.policy
from collections import Counter
from hashlib import sha256

import pytest

from bench.corpus import Corpus


def test_message_i_has_the_same_octets_on_every_machine() -> None:
    """A change of the corpus makes figures of before and after it incomparable: then it needs a word in docs/performance.md."""
    corpus = Corpus(7)
    digest = sha256(b"".join(corpus.message(i) for i in range(60))).hexdigest()
    assert digest == "a52c96a9f6b8ed2d93034db8c4ef63677de5a0fd51428ef12220b9f3b003e43b"
    assert [corpus.recipient(i) for i in range(3)] == ["tomas@near.example", "budi@near.example", "budi@near.example"]


def test_messages_differ_by_number_and_seed() -> None:
    messages = {Corpus(seed).message(i) for seed in (1, 2) for i in range(20)}
    assert len(messages) == 40


def test_each_is_whole_lines_that_smtp_can_carry_and_begins_with_its_mark() -> None:
    corpus = Corpus(3, "home.example")
    for i in range(80):
        message = corpus.message(i)
        assert message.startswith(b"X-Bench-Id: 3-%d\r\n" % i)
        assert message.endswith(b"\r\n")
        assert b"\n" not in message.replace(b"\r\n", b"") and b"\r" not in message.replace(b"\r\n", b"")
        assert max(map(len, message.split(b"\r\n"))) <= 998
        assert corpus.recipient(i).endswith("@home.example")


@pytest.mark.parametrize("text_encoding", ["quoted-printable", "base64"])
def test_each_is_a_message_without_a_defect(text_encoding: str) -> None:
    corpus = Corpus(4, attachments=0.05, text_encoding=text_encoding)
    for i in range(40):
        message = email.message_from_bytes(corpus.message(i), policy=email.policy.SMTP)
        for part in message.walk():
            assert not part.defects
            if not part.is_multipart():
                assert part.get_content()
        assert message["From"].addresses and message["Date"].datetime


def test_the_kinds_of_mail_have_their_shares() -> None:
    corpus = Corpus(5)
    kinds = Counter(corpus.kind(i) for i in range(4000))
    for kind, share in (("plain", 0.15), ("talk", 0.45), ("news", 0.30), ("attached", 0.10)):
        assert abs(kinds[kind] / 4000 - share) < 0.03
    assert Counter(Corpus(5, attachments=0.0).kind(i) for i in range(500))["attached"] == 0
    attached = [len(corpus.message(i)) for i in range(200) if corpus.kind(i) == "attached"]
    assert min(attached) > 100_000 and max(attached) < 7_000_000
