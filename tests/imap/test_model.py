"""Twenty clients of every kind on one mailbox, for some seconds; `make test-imap-model` lets them live for minutes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from .model.course import run

SECONDS = 3.0
SEEDS = {"always the same": 4, "another each time": random.SystemRandom().randrange(2**31)}


@pytest.mark.parametrize("which", SEEDS)
async def test_all_views_are_the_stores(tmp_path: Path, which: str) -> None:
    """A failure says the seed and what was said last."""
    seed = SEEDS[which]
    print(f"seed {seed}")
    figures = await run(tmp_path / "home", seed=seed, clients=20, seconds=SECONDS)
    assert figures.rounds and figures.commands > 100
