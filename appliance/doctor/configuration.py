"""merpati.yaml: is it valid, and has the appliance been set up?"""

from __future__ import annotations

from pathlib import Path

from ..config import Config, ConfigFault, load
from .finding import Finding, Status


def check(path: Path) -> tuple[Finding, Config | None]:
    """The configuration besides, where there is one to go by."""
    try:
        config = load(path)
    except ConfigFault as fault:
        return Finding(
            "configuration", Status.BROKEN, f"The configuration is not valid. {fault}.", "Mend that line."
        ), None
    if not config.is_set_up:
        what = "The server is not set up."
        return Finding("configuration", Status.NEEDS_YOU, what, "Open the wizard, or run merpati init."), None
    return Finding("configuration", Status.GOOD, "The configuration is valid."), config
