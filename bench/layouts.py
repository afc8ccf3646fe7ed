"""What each way to lay mail down costs: octets stored, and time to pack and to read.

    python -m bench.layouts [--messages N] [--seed N] [--text-in-base64] [--mail FOLDER] [--rounds N]

For each zstd level, with and without the dictionary for short messages, with base64 stored as it came or decoded, over
the corpus of `bench/corpus.py` (or FOLDER, one message a file, lines made to end with CRLF), and for messages below
100 KB and those above apart:

- stored: octets stored for each octet of mail;
- in pages: the same for the file of a database with nothing but these contents in pages of 4 KiB (those of up to
  48 KiB, as the store keeps them; a larger one lies in a segment, which has no pages);
- pack, read: CPU time in µs a message, the least of the rounds.

And at the end what the whole spool takes for a message as the server runs it: digest, structure, packing. CPU time on a
machine that does other things beside swings; the octets do not.
"""

from __future__ import annotations

import argparse
import math
import re
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from appliance.store import base64_runs, dictionary, layout
from appliance.store.layout import FRAME_OCTETS, HEAD_OCTETS
from appliance.store.spool import Spool

from .corpus import Corpus

LARGE_OCTETS = 100_000
PIECE_OCTETS = 128 * 1024  # as they come from a connection
IN_DATABASE_OCTETS = 48 * 1024  # docs/decisions/0003
LEVELS = (1, 3, 6, 9)


@dataclass(slots=True, frozen=True)
class Way:
    level: int
    number: int  # of the dictionary, 0 for none
    decoded: bool

    def pack(self, message: bytes) -> bytes:
        frames = [message[at : at + FRAME_OCTETS] for at in range(0, len(message), FRAME_OCTETS)]
        return b"".join(
            layout.pack(frame, base64_runs.find(frame) if self.decoded else [], level=self.level, number=self.number)
            for frame in frames
        )


def main() -> None:
    asked = arguments()
    mail = list(messages(asked))
    groups = {
        "below 100 KB": [message for message in mail if len(message) < LARGE_OCTETS],
        "above": [message for message in mail if len(message) >= LARGE_OCTETS],
    }
    for name, group in groups.items():
        if group:
            print(f"\n{len(group)} messages {name}, {sum(map(len, group)) // len(group)} octets on average\n")
            table(group, asked.rounds)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--text-in-base64", action="store_true")
    parser.add_argument("--mail", type=Path, metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def messages(asked: argparse.Namespace) -> Iterator[bytes]:
    if asked.mail is not None:
        for path in sorted(path for path in asked.mail.rglob("*") if path.is_file()):
            yield re.sub(rb"\r?\n", b"\r\n", path.read_bytes())
        return
    corpus = Corpus(asked.seed, text_encoding="base64" if asked.text_in_base64 else "quoted-printable")
    for number in range(asked.messages):
        yield corpus.message(number)


def table(mail: Sequence[bytes], rounds: int) -> None:
    ways = [
        Way(level, number, decoded)
        for decoded in (False, True)
        for number in (0, dictionary.NEWEST)
        for level in LEVELS
    ]
    stored = {way: [way.pack(message) for message in mail] for way in ways}
    pack_us, read_us, whole_us = dict.fromkeys(ways, math.inf), dict.fromkeys(ways, math.inf), math.inf
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        for _ in range(rounds):  # one after the other in each round, so that a busy minute is not one way's alone
            for way in ways:
                pack_us[way] = min(pack_us[way], us_each(way.pack, mail))
                read_us[way] = min(read_us[way], us_each(unpack, stored[way]))
            whole_us = min(whole_us, us_each(partial(spool, Path(folder)), mail))
    octets = sum(map(len, mail))
    print("| level | dictionary | base64 | stored | in pages | pack µs | read µs |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for way in ways:
        in_pages = pages_octets([content for content in stored[way] if len(content) <= IN_DATABASE_OCTETS])
        in_segments = sum(len(content) for content in stored[way] if len(content) > IN_DATABASE_OCTETS)
        print(
            f"| {way.level} | {way.number or 'none'} | {'decoded' if way.decoded else 'as it came'} "
            f"| {sum(map(len, stored[way])) / octets:.4f} | {(in_pages + in_segments) / octets:.4f} "
            f"| {pack_us[way]:.0f} | {read_us[way]:.0f} |"
        )
    print(f"\nthe whole spool: {whole_us:.0f} µs a message")


def us_each(work: Callable[[bytes], object], over: Sequence[bytes]) -> float:
    started = time.process_time()
    for octets in over:
        work(octets)
    return (time.process_time() - started) / len(over) * 1e6


def unpack(stored: bytes) -> None:
    at = 0
    while at < len(stored):
        kind, octets, packed_octets = layout.read_head(stored[at : at + HEAD_OCTETS])
        at += HEAD_OCTETS
        layout.unpack(kind, stored[at : at + packed_octets], octets)
        at += packed_octets


def pages_octets(contents: Sequence[bytes]) -> int:
    database = sqlite3.connect(":memory:")
    database.execute("PRAGMA page_size = 4096")
    database.execute("CREATE TABLE blobs (id INTEGER PRIMARY KEY, data BLOB)")
    database.executemany("INSERT INTO blobs (data) VALUES (?)", [(content,) for content in contents])
    pages = database.execute("PRAGMA page_count").fetchone()[0] - 2  # its own, and the empty table's
    database.close()
    return int(pages) * 4096


def spool(folder: Path, message: bytes) -> None:
    arriving = Spool(folder)
    try:
        for at in range(0, len(message), PIECE_OCTETS):
            arriving.write(message[at : at + PIECE_OCTETS])
        arriving.finish()
    finally:
        arriving.discard()


if __name__ == "__main__":
    main()
