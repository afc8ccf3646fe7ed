"""Cuts the power many times and prints what came of it: `python -m tests.power --cuts 100`. Exit status 1: a loss."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench.card.card import missing

from .course import elsewhere, first_home, run_card
from .ledger import Figures

CARDS = (("fast", True), ("a1", False), ("a2", True), ("fast", False))  # profile, hurried
PER_CARD = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.power", description=__doc__)
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--per-card", type=int, default=PER_CARD, help="on each card, before a fresh one is taken")
    parser.add_argument(
        "--seed", type=int, help="of the clients' choices and the card's; the timing is the machine's own"
    )
    asked = parser.parse_args()
    if (why := missing()) is not None:
        print(f"not done: {why}")
        return 0
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(2**31)
    print(f"seed {seed}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as with Ctrl-C: nothing stays mounted
    total = Figures()
    began_at = time.monotonic()
    cards = itertools.cycle(CARDS)
    with tempfile.TemporaryDirectory(prefix="merpati-power-") as folder:
        work = Path(folder)
        for number, before in enumerate(range(0, asked.cuts, asked.per_card)):
            (profile, hurried), cuts = next(cards), min(asked.per_card, asked.cuts - before)
            with elsewhere() as there:
                first = first_home(work / f"{number}", there)
                figures, wrong = asyncio.run(
                    run_card(
                        work / f"{number}",
                        first,
                        there,
                        cuts=cuts,
                        profile=profile,
                        seed=seed + number,
                        hurried=hurried,
                    )
                )
            _add(total, figures)
            print(f"card {number + 1} ({profile}{', hurried' if hurried else ''}): {_words(figures)}", flush=True)
            if wrong:
                print("\n".join(wrong[:50]))
                return 1
    print(f"in all, in {time.monotonic() - began_at:.0f} s: {_words(total)}")
    return 0


def _add(total: Figures, figures: Figures) -> None:
    for name in Figures.__dataclass_fields__:
        setattr(total, name, getattr(total, name) + getattr(figures, name))


def _words(figures: Figures) -> str:
    kinds: Counter[str] = figures.acknowledged
    said = ", ".join(f"{kinds[kind]} {kind}" for kind in sorted(kinds))
    return (
        f"{figures.cuts} cuts; acknowledged: {kinds.total()} ({said}); lost {figures.lost}, twice {figures.twice};"
        f" kept though nobody heard so {figures.unacknowledged_kept};"
        f" acknowledged after the cut, and kept {figures.after_the_cut}; refused after it {figures.refused_after_the_cut}"
    )


if __name__ == "__main__":
    sys.exit(main())
