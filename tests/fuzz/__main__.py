"""Runs the fuzz targets in rounds, each with a fresh seed, until the time is over: `python -m tests.fuzz --minutes 60`.

Prints at the end how many examples each target has tried. Exit status 1: one has failed; then the example is printed, and
the seed with which pytest finds it again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from .counting import TIME_IS_OVER

FOLDER = Path(__file__).parent
FEWEST_TIMES, MOST_TIMES = 5, 50  # in a round, as many examples as in everyday runs


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, help="of the first round; the next ones count on from it")
    parser.add_argument("-k", dest="only", default="", help="targets, as pytest's -k chooses them")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(2**31)
    until = time.time() + 60 * asked.minutes
    tried: Counter[str] = Counter()
    rounds = failed = 0
    while not failed and time.time() < until:
        times = min(MOST_TIMES, FEWEST_TIMES * 2**rounds)
        failed, told = run(seed + rounds, times, until, asked.only, tried)
        rounds += 1
        left_s = max(0.0, until - time.time())
        print(
            f"round {rounds}, seed {seed + rounds - 1}: {tried.total():,} examples so far, {left_s / 60:.1f} min left",
            flush=True,
        )
        if failed:
            print(told)
            print(f"again: MERPATI_FUZZ={times} pytest tests/fuzz --hypothesis-seed={seed + rounds - 1}")
    for name, examples in sorted(tried.items()):
        print(f"{examples:>11,}  {name}")
    print(
        f"{tried.total():>11,}  in all, in {rounds} rounds: {'a target has failed' if failed else 'no target failed'}"
    )
    return 1 if failed else 0


def run(seed: int, times: int, until: float, only: str, tried: Counter[str]) -> tuple[int, str]:
    """One round in a process of its own, so that what a target keeps is gone after it. (exit status, what pytest said)."""
    with tempfile.TemporaryDirectory(prefix="merpati-fuzz-") as folder:
        figures = Path(folder) / "figures.json"
        words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "tests.fuzz.counting", "-p", "no:cacheprovider"]
        words += ["-o", "timeout=0", f"--basetemp={folder}/pytest", f"--hypothesis-seed={seed}", str(FOLDER)]
        done = subprocess.run(
            words + (["-k", only] if only else []),
            env={
                **os.environ,
                "MERPATI_FUZZ": str(times),
                "MERPATI_FUZZ_UNTIL": str(until),
                "MERPATI_FUZZ_FIGURES": str(figures),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        if figures.exists():
            tried.update(json.loads(figures.read_text()))
        out_of_time = done.returncode == 2 and TIME_IS_OVER in done.stdout
        return (0 if out_of_time else done.returncode), done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
