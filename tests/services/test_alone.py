"""One mail process for one home: the lock is held by who has it open, and by nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from appliance.services.alone import NotAlone, alone


def test_who_comes_second_is_told_which_home_it_is(tmp_path: Path) -> None:
    first = alone(tmp_path / "lock", tmp_path)
    with pytest.raises(NotAlone, match=f"^a Merpati server is running on {tmp_path} already$"):
        alone(tmp_path / "lock", tmp_path)
    os.close(first)
    os.close(alone(tmp_path / "lock", tmp_path))


def test_one_that_is_just_ending_is_waited_for(tmp_path: Path) -> None:
    first = alone(tmp_path / "lock", tmp_path)
    timer = threading.Timer(0.1, os.close, [first])
    timer.start()
    os.close(alone(tmp_path / "lock", tmp_path, wait_s=60))
    timer.join()


def test_a_file_that_was_left_lying_means_nothing(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("4711")
    os.close(alone(tmp_path / "lock", tmp_path))


def test_children_do_not_inherit_it(tmp_path: Path) -> None:
    """Or a server that was killed would keep its successor out for as long as a child of it lives."""
    first = alone(tmp_path / "lock", tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, close_fds=False
    ) as child:
        os.close(first)
        os.close(alone(tmp_path / "lock", tmp_path, wait_s=5))  # the kernel closes one after another at exec
        child.communicate(b"\n")
