"""Starting one of the processes: the log, the check of merpati.yaml, and a plain sentence where it cannot be.

Apart from `cli/`, so that a process that will run for months does not carry the library that parses command lines.
"""

from __future__ import annotations

import os
import sys

from ..status.log_stream import to_stderr
from .alone import NotAlone
from .places import Places

NAMES = ("run", "mail", "web", "leds")


def start(name: str, places: Places) -> int:
    """Until it ends; returns the exit status. One whose configuration is not valid is not started (status 1)."""
    to_stderr()
    fault = fault_found_elsewhere(places) if name == "run" else _fault(places)
    if fault is not None:
        return _refused(fault)
    try:
        match name:
            case "run":
                from .supervisor import Supervisor

                return Supervisor(places).run()
            case "mail":
                from .mail import main
            case "web":
                from .web import main
            case "leds":
                from .leds import main
            case _:
                raise ValueError(name)
        main(places)
    except NotAlone as refusal:
        return _refused(str(refusal))
    return 0


def _refused(sentence: str) -> int:
    print(f"merpati: {sentence}", file=sys.stderr)
    return 1


def _fault(places: Places) -> str | None:
    """What is wrong with merpati.yaml, in a sentence."""
    from ..config import ConfigFault, load

    try:
        load(places.config)
    except ConfigFault as fault:
        return str(fault)
    return None


def fault_found_elsewhere(places: Places) -> str | None:
    """The same, found by a child that ends: a YAML parser is larger than all the rest of the supervisor."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with open(writing, "w", encoding="utf-8") as answer:
                answer.write(_fault(places) or "")
            os._exit(0)
        finally:
            os._exit(1)  # whatever happens here, the caller's work is not for a second process to do
    os.close(writing)
    with open(reading, encoding="utf-8") as answer:
        fault = answer.read()
    _, status = os.waitpid(child, 0)
    if status != 0:
        return f"{places.config} could not be checked"
    return fault or None
