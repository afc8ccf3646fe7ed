"""A plugin of pytest for the fuzz targets: counts what each has tried, and stops in the middle when the time is over.

`python -m tests.fuzz` starts pytest with it, and reads the figures from the file that MERPATI_FUZZ_FIGURES names. A target
that is cut short has passed with what it tried until then. MERPATI_FUZZ_UNTIL: of `time.time()`.
"""

from __future__ import annotations

import inspect
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from hypothesis.errors import HypothesisException

TIME_IS_OVER = "the time is over"

tried: Counter[str] = Counter()
until = float(os.environ.get("MERPATI_FUZZ_UNTIL", "inf"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        function = getattr(item, "obj", None)
        hypothesis = getattr(function, "hypothesis", None)
        if hypothesis is not None:
            hypothesis.inner_test = _counted(hypothesis.inner_test, item.nodeid)


def _counted(target: Callable[..., Any], name: str) -> Callable[..., Any]:
    """When the time is over, the target is skipped in the middle: hypothesis then makes no more examples for it. One that
    has failed is let finish, so that its example comes out, and as small as can be."""
    failed = False
    assert not inspect.iscoroutinefunction(target), f"{name}: hypothesis runs no coroutines"

    @wraps(target)
    def counted(*args: Any, **kwargs: Any) -> None:
        nonlocal failed
        tried[name] += 1
        try:
            target(*args, **kwargs)
        except Exception as fault:
            failed = failed or not isinstance(fault, HypothesisException)
            raise
        # Not before: what an example draws on its way has to be drawn, or hypothesis calls the target flaky.
        if time.time() >= until and not failed:
            pytest.skip(TIME_IS_OVER)

    return counted


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if time.time() >= until:
        item.session.shouldstop = TIME_IS_OVER
    return (yield)


def pytest_sessionfinish() -> None:
    Path(os.environ["MERPATI_FUZZ_FIGURES"]).write_text(json.dumps(tried))
