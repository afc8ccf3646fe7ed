"""Runs the model and prints what came of it. Exit status 1: it was not kept."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from .course import Failed, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.imap.model", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seed", type=int, help="of the clients' choices; who comes first is the machine's own")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(2**31)
    print(f"seed {seed}, {asked.clients} clients", flush=True)

    def say(text: str) -> None:
        print(text, flush=True)

    with tempfile.TemporaryDirectory(prefix="merpati-model-") as folder:
        try:
            figures = asyncio.run(
                run(Path(folder) / "home", seed=seed, clients=asked.clients, seconds=60 * asked.minutes, say=say)
            )
        except Failed as fault:
            print(fault)
            return 1
    print(figures)
    for verb, count in figures.kinds.most_common():
        print(f"  {count:7} {verb}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
