"""Lines of base64 are found where they are, come back as they were, and nothing else is taken for them."""

from __future__ import annotations

import base64
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.store import base64_runs
from appliance.store.base64_runs import LINES_LEAST, MISSES_MOST, RUNS_MOST, Shape, encode, find

RANDOM = random.Random(11).randbytes(120_000)


def lines(count: int, letters: int = 76, end: bytes = b"\r\n", seed: int = 0) -> bytes:
    encoded = base64.b64encode(RANDOM[seed : seed + count * letters // 4 * 3])
    return b"".join(encoded[at : at + letters] + end for at in range(0, count * letters, letters))


def found(octets: bytes) -> list[tuple[int, int, int, int]]:
    """(start, lines, letters, octets of a line end) of each run, after a look whether they come back."""
    runs = find(octets)
    for run in runs:
        assert run.shape.is_legal()
        assert encode(run.decoded, run.shape) == octets[run.start : run.end]
    assert all(first.end <= second.start for first, second in itertools.pairwise(runs))
    return [(run.start, run.shape.lines, run.shape.letters, run.shape.end_octets) for run in runs]


HEAD = b"Content-Transfer-Encoding: base64\r\n\r\n"
AT = len(HEAD)


@pytest.mark.parametrize(
    ("octets", "runs"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(HEAD + b"Hello Bob,\r\nsee you.\r\n" * 50, [], id="words"),
        pytest.param(HEAD + lines(1000), [(AT, 1000, 76, 2)], id="an attachment"),
        pytest.param(HEAD + lines(63) + b"YWI=\r\n", [(AT, 63, 76, 2)], id="a short last line with padding"),
        pytest.param(HEAD + lines(64) + lines(1)[:74] + b"==\r\n", [(AT, 64, 76, 2)], id="a full last line with padding"),
        pytest.param(HEAD + lines(65) + lines(1)[:76], [(AT, 65, 76, 2)], id="a last line without its end"),
        pytest.param(HEAD + lines(128) + lines(1)[:76] + b"\r", [(AT, 128, 76, 2)], id="cut between CR and LF"),
        pytest.param(b"QQ\r\n" + lines(9), [(4, 9, 76, 2)], id="begins in the middle of a line"),
        pytest.param(b"\n" + lines(9), [(1, 9, 76, 2)], id="begins in the middle of a line end"),
        pytest.param(lines(9), [(78, 8, 76, 2)], id="begins with a line, which may be the end of one"),
        pytest.param(b"\n" + lines(9, end=b"\n"), [(1, 9, 76, 1)], id="LF alone"),
        pytest.param(b"\n" + lines(9, 64), [(1, 9, 64, 2)], id="64 letters"),
        pytest.param(b"\n" + lines(9, 72, b"\n"), [(1, 9, 72, 1)], id="72 letters"),
        pytest.param(b"\n" + lines(9, 996), [(1, 9, 996, 2)], id="996 letters"),
        pytest.param(b"\n" + lines(9, 56), [(1, 9, 56, 2)], id="56 letters"),
        pytest.param(b"\n" + lines(9, 1000), [], id="longer than a line may be"),
        pytest.param(b"\n" + lines(20, 52), [], id="too short to be sure"),
        pytest.param(b"\n" + (b"A" * 75 + b"\r\n") * 9, [], id="no multiple of four"),
        pytest.param(b"\n" + lines(LINES_LEAST - 1), [], id="too few"),
        pytest.param(b"\n" + lines(LINES_LEAST), [(1, LINES_LEAST, 76, 2)], id="just enough"),
        pytest.param(
            HEAD + lines(9) + b"--b\r\nContent-Type: x\r\n\r\n" + lines(8, 64), [(AT, 9, 76, 2), (AT + 726, 8, 64, 2)], id="two"
        ),
        pytest.param(b"\n" + lines(5) + lines(6, 64), [(1, 5, 76, 2), (391, 6, 64, 2)], id="one length, then another"),
        pytest.param(b"\n" + lines(5) + lines(6, end=b"\n"), [(1, 5, 76, 2), (391, 6, 76, 1)], id="one end, then another"),
        pytest.param(b"\n" + lines(9).replace(b"\r\n", b"\r"), [], id="CR alone"),
        pytest.param(b"\n" + lines(9).replace(b"\r\n", b"\n\r"), [], id="LF CR"),
        pytest.param(b"\n" + b"".join(b"A" * n + b"\r\n" for n in (76, 72) * 3), [], id="each line of another length"),
        pytest.param(b"\n" + lines(9).replace(b"+", b"-").replace(b"/", b"_"), [], id="the alphabet for URLs"),
        pytest.param(b"\n" + (b"A" * 74 + b"==\r\n") * 9, [], id="padding in each line"),
        pytest.param(b"\n" + (b"A" * 73 + b"=AA\r\n") * 9, [], id="padding within each line"),
        pytest.param(b"\n" + lines(1) + (b"A" * 74 + b"\\n\r\n") * 9, [], id="an escape of JSON's"),
        pytest.param(b"\n" + lines(4) + b'"' + lines(4)[1:], [(1, 4, 76, 2)], id="a quotation mark"),
        pytest.param(b"\n" + lines(4) + b"\\u0041" + b"A" * 70 + b"\r\n" + lines(4), [(1, 4, 76, 2), (391, 4, 76, 2)], id="a letter as JSON may write it"),
        pytest.param(b"\n" + lines(4) + b"A" * 30 + b"\n" + b"A" * 45 + b"\r\n" + lines(2), [], id="a LF within a line"),
        pytest.param(b"\n" + lines(4) + b"A" * 30 + b"\r" + b"A" * 45 + b"\r\n" + lines(2), [], id="a CR within a line"),
        pytest.param(b"\n" + lines(4) + b" " + lines(4), [(1, 4, 76, 2)], id="a space before a line"),
        pytest.param(b"\n" + lines(4) + b"\xc3\xa9" * 38 + b"\r\n" + lines(4), [(1, 4, 76, 2), (391, 4, 76, 2)], id="beyond ASCII"),
    ],
)  # fmt: skip
def test_each_kind_of_lines(octets: bytes, runs: list[tuple[int, int, int, int]]) -> None:
    assert found(octets) == runs


@pytest.mark.parametrize("count", [4, 5, 63, 64, 65, 127, 128, 129, 640, 1000])
@pytest.mark.parametrize(("letters", "end"), [(76, b"\r\n"), (56, b"\n"), (60, b"\r\n")])
def test_any_number_of_lines_comes_back(count: int, letters: int, end: bytes) -> None:
    assert found(b"\n" + lines(count, letters, end)) == [(1, count, letters, len(end))]


odd = st.sampled_from(
    [b"=", b"==", b"\r", b"\n", b"\r\n", b"-", b"_", b" ", b"\\", b'"', b"\0", b"\xff", b"--b\r\n", b""]
)
runs_of_lines = st.builds(
    lines,
    st.integers(1, 70),
    st.sampled_from([56, 57, 60, 64, 72, 74, 75, 76, 77, 78, 80, 996]),
    st.sampled_from([b"\r\n", b"\n", b"\r", b"\n\r", b"\r\r\n"]),
    st.integers(0, 999),
)
nearly_base64 = st.lists(runs_of_lines | odd | st.binary(max_size=90) | st.just(HEAD), max_size=8).map(b"".join)


@settings(max_examples=150, deadline=None)
@given(nearly_base64, st.lists(st.tuples(st.integers(0, 3000), odd), max_size=4))
def test_whatever_is_found_comes_back(octets: bytes, changes: list[tuple[int, bytes]]) -> None:
    for place, change in changes:
        octets = octets[:place] + change + octets[place + len(change) // 2 :]
    found(octets)


def test_not_more_runs_than_a_frame_may_have() -> None:
    assert len(found(b"".join(b"--\n" + lines(5) for _ in range(RUNS_MOST + 9)))) == RUNS_MOST


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"\n" + (lines(1) + b"A" * 75 + b"=\r\n") * 1500, id="one line in two is padded"),
        pytest.param(b"\n" + (lines(1, end=b"\n") + lines(1, 60)) * 1500, id="each line of another length"),
        pytest.param(b"\n" + (b"A" * 75 + b"\n") * 3000, id="no multiple of four"),
        pytest.param(b"\n" + b"A" * 250_000, id="a line without an end"),
    ],
)
def test_octets_made_to_hurt_are_soon_left_alone(octets: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt may have to read all that follows, so there are few."""
    real, attempts = base64_runs._run_at, 0

    def counted(octets: bytes, start: int, line_end: int) -> base64_runs.Run | None:
        nonlocal attempts
        attempts += 1
        return real(octets, start, line_end)

    monkeypatch.setattr(base64_runs, "_run_at", counted)
    assert found(octets) == []
    assert attempts <= MISSES_MOST


@pytest.mark.parametrize(
    "shape", [Shape(3, 76, 2), Shape(4, 52, 2), Shape(4, 1000, 2), Shape(4, 77, 2), Shape(4, 76, 3), Shape(4, 76, 0)]
)
def test_shapes_that_no_run_has(shape: Shape) -> None:
    assert not shape.is_legal()
