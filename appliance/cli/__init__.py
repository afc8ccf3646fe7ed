"""The `merpati` command: parses arguments, prints, decides nothing. One module per group of commands."""

from __future__ import annotations

import sys


def main() -> None:
    """The processes are started without the command line's library, 3 MB that each would carry for months."""
    process = _process(sys.argv[1:])
    if process is None:
        from .root import merpati

        merpati(prog_name="merpati")
        return
    from ..services.places import find_places
    from ..services.start import start

    name, home = process
    sys.exit(start(name, find_places(home)))


def _process(words: list[str]) -> tuple[str, str | None] | None:
    """(which process, --home) where that is all the words say; None for whatever else they say."""
    from ..services.start import NAMES

    match words:
        case [name] if name in NAMES:
            return name, None
        case ["--home", home, name] if name in NAMES:
            return name, home
    return None
