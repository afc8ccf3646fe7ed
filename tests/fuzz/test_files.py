"""What lies on the card and was written by a person, or damaged: settings, stored contents, traces, the claim code."""

from __future__ import annotations

import base64
import sqlite3
import tempfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from appliance.config.load import ConfigFault, load
from appliance.config.schema import Config
from appliance.status.events import Filed
from appliance.status.trace import TraceFile, TraceReader
from appliance.store import base64_runs
from appliance.store.blobs import from_memory
from appliance.store.layout import FRAME_OCTETS, pack
from appliance.store.refusals import Damaged
from web.sign_in.claim_code import ClaimCode, Wait, Won, Wrong, normalised

from .octets import nearly, tries

SETTINGS = [
    b"hostname: mx.near.example\ndomains: [near.example, n\xc3\xa4her.example]\nlisten:\n  smtp: 25\n  imap: off\n",
    b"outbound:\n  mode: smarthost\n  smarthost: {host: a.example, port: 587, tls: starttls, username: a, password_file: p}\n",
    b"limits:\n  message_size: 52428800\nleds: {enabled: false, quiet_hours: '22:00-06:00'}\nresolver: '[::1]:53'\n",
    b"locale: {timezone: Asia/Jakarta}\ntls: {certificate: a, key: b}\nbackup: {}\n",
]
SETTINGS_WORDS = [
    b"\n", b": ", b"- ", b"[", b"]", b"{", b"}", b"&a ", b"*a", b"<<: *a", b"!!python/object:os.system ", b"!!binary ", b"? ", b"|\n ", b">\n", b"'",
    b'"', b"\\", b"#", b"%YAML 1.1\n", b"---\n", b"...\n", b"\t", b"\0", b"\xff", b"null", b"yes", b"0x10", b"1_000", b".inf", b".nan", b"2026-11-24",
    b"9" * 5000, b"0o7", b"-1", b"1e999", b"~", b"hostname", b"domains", b"listen", b"smtp", b"../", b"[" * 60,
]  # fmt: skip


@tries(60)
@given(nearly(SETTINGS, SETTINGS_WORDS))
def test_settings(octets: bytes) -> None:
    """Any file is a configuration, or a fault of one sentence that can be printed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "merpati.yaml"
        path.write_bytes(octets)
        try:
            assert isinstance(load(path), Config)
        except ConfigFault as fault:
            str(fault).encode()
            assert len(str(fault)) < 2000


def packed(octets: bytes) -> bytes:
    frames = [octets[at : at + FRAME_OCTETS] for at in range(0, len(octets), FRAME_OCTETS)]
    return b"".join(pack(frame, base64_runs.find(frame)) for frame in frames)


# A frame with base64 in it, a frame of it alone, and one without.
WHOLE = (
    b"Subject: x\r\n\r\n"
    + base64.encodebytes(bytes(range(255)) * 1100).replace(b"\n", b"\r\n")
    + b"--x\r\n\r\n"
    + bytes(range(256)) * 1100
)
STORED = packed(WHOLE)


@pytest.mark.parametrize("number", range(STORED.count(zstandard.FRAME_HEADER)))
def test_a_frame_that_denies_its_checksum(number: int) -> None:
    octets = bytearray(STORED)
    start = -1
    for _ in range(number + 1):
        start = octets.index(zstandard.FRAME_HEADER, start + 1)
    octets[start + 4] &= ~0x04  # RFC 8878 3.1.1.1.1: Content_Checksum_flag
    with pytest.raises(Damaged):
        b"".join(from_memory(1, len(WHOLE), bytes(octets)).pieces())


@tries(60)
@given(st.data())
def test_stored_contents(data: st.DataObject) -> None:
    """What comes out of a damaged content is what went in, or Damaged; never other octets, and never more of them."""
    octets = bytearray(STORED)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, 40) | st.integers(0, len(octets) - 1))
        octets[place] = data.draw(st.integers(0, 255))
    octets = octets[: data.draw(st.just(len(octets)) | st.integers(0, len(octets)))]
    came = b""
    try:
        for piece in from_memory(1, len(WHOLE), bytes(octets)).pieces():
            came += piece
    except Damaged:
        pass
    assert WHOLE.startswith(came)


def a_trace(folder: Path) -> Path:
    path = folder / "trace.db"
    file = TraceFile(path)
    file.write(
        [
            Filed(
                at=float(n),
                trace_id=f"t{n}",
                recipient="a@b.example",
                account="a@b.example",
                mailbox="INBOX",
                uid=n + 1,
            )
            for n in range(60)
        ]
    )
    file.close()
    return path


@tries(30)
@given(st.data())
def test_damaged_traces(data: st.DataObject) -> None:
    """A damaged trace is read as what is left of it or as nothing, and can be written to again."""
    with tempfile.TemporaryDirectory() as folder:
        path = a_trace(Path(folder))
        octets = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 6))):
            place = data.draw(st.integers(0, 200) | st.integers(0, len(octets) - 1))
            octets[place : place + 1] = data.draw(st.binary(min_size=1, max_size=8))
        path.write_bytes(octets)
        look_and_write(path)


@tries(30)
@given(
    events=st.sampled_from([b"[]", b"{}", b"[1]", b"null", b'[{"type":"Filed"}]', b"\xff", b"", b"[" * 2000])
    | st.binary(max_size=20)
    | st.integers(-(2**63), 2**63 - 1)
    | st.none().map(lambda _: 1.5),
    word=st.text(max_size=5),
)
def test_rows_that_are_no_events(events: object, word: str) -> None:
    """The same when the file is whole and what is in it is not."""
    with tempfile.TemporaryDirectory() as folder:
        path = a_trace(Path(folder))
        connection = sqlite3.connect(path)
        value = events.decode("latin-1") if isinstance(events, bytes) and len(events) % 2 else events
        connection.execute("INSERT INTO steps (trace_id, events) VALUES (?, ?)", ("t1", value))
        connection.execute("INSERT INTO refusals (events) VALUES (?)", (value,))
        connection.commit()
        connection.close()
        TraceReader(path).find(word)
        look_and_write(path)


def look_and_write(path: Path) -> None:
    reader = TraceReader(path)
    reader.find("a@b.example")
    reader.recent(20)
    reader.story("t1")
    file = TraceFile(path)
    file.write([Filed(at=1.0, trace_id="new", recipient="a@b.example", account="a@b.example", mailbox="INBOX", uid=1)])
    file.close()


@tries(100)
@given(st.text(max_size=12) | st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZoil- ", min_size=8, max_size=9), st.booleans())
def test_claim_codes(typed: str, padded: bool) -> None:
    """Nothing wins but the code, however it is spelt; whoever was wrong waits."""
    with tempfile.TemporaryDirectory() as folder:
        claim = ClaimCode(Path(folder), clock=lambda: 1000.0)
        code = claim.ensure()
        typed = f"  {code.lower().replace('0', 'o').replace('1', 'l')} " if padded else typed
        answer = claim.claim(typed, "192.168.1.5")
        if normalised(typed) == normalised(code):
            assert isinstance(answer, Won)
            assert claim.holds(answer.token) and not claim.holds(answer.token + "x") and not claim.is_open()
        else:
            assert isinstance(answer, Wrong) and answer.wait_s > 0
            assert isinstance(claim.claim(code, "192.168.1.5"), Wait)
