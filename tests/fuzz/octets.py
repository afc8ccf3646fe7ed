"""What the fuzz targets have in common: how long they try, and octets that are nearly right.

A target is one function whose first line is its invariant. It starts from seeds that a well-made peer would send and
from a dictionary of words that mean something there, and changes them. `make fuzz` tries for an hour (`MERPATI_FUZZ=50` fifty
times as many as every day). Whatever a long run finds becomes a seed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

TIMES = int(os.environ.get("MERPATI_FUZZ", "1"))


def tries(most: int) -> Any:
    """most: in everyday runs; MERPATI_FUZZ times as many in long ones."""
    return settings(
        max_examples=most * TIMES,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@st.composite
def nearly(draw: st.DrawFn, seeds: Sequence[bytes], words: Sequence[bytes] = ()) -> bytes:
    """A seed or words in a row, then changed in some places: cut, repeated, overwritten, with words put in."""
    alphabet = st.sampled_from(list(words)) | st.binary(max_size=4) if words else st.binary(max_size=4)
    data = draw(st.sampled_from(list(seeds)) | st.lists(alphabet, max_size=12).map(b"".join))
    for _ in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 40)))
        match draw(st.integers(0, 3)):
            case 0:
                data = data[:start] + data[end:]
            case 1:
                data = data[:end] + data[start:end] * draw(st.integers(1, 50)) + data[end:]
            case 2:
                data = data[:start] + draw(alphabet) + data[end:]
            case _:
                data = data[:start] + draw(alphabet) + data[start:]
    return data


@st.composite
def in_pieces(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The same octets as they might come out of a socket."""
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
