"""After a power cut under load, all that was acknowledged is there, once and whole. `make test-power` does it 100 times."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from bench.card.card import missing

from .course import elsewhere, first_home, run_card

CUTS = int(os.environ.get("MERPATI_CUTS", "5"))

pytestmark = [
    pytest.mark.skipif(missing() is not None, reason=f"no simulated card: {missing()}"),
    pytest.mark.timeout(60 + 30 * CUTS),
    # The power goes while clients dial, and the task that would have closed the line is gone as well.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*StreamWriter:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.parametrize(("profile", "hurried", "cuts"), [("fast", True, (CUTS + 1) // 2), ("a1", False, CUTS // 2)])
async def test_what_was_acknowledged_survives(tmp_path: Path, profile: str, hurried: bool, cuts: int) -> None:
    seed = random.SystemRandom().randrange(2**31)
    with elsewhere() as there:
        first = first_home(tmp_path, there)
        figures, wrong = await run_card(tmp_path, first, there, cuts=cuts, profile=profile, seed=seed, hurried=hurried)
    assert wrong == [], f"seed {seed}"
    assert figures.cuts == cuts
    assert figures.acknowledged.total() > 0
