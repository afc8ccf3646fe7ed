"""How mail leaves, changed after the set-up: the wizard's question, answered anew and written into merpati.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from appliance.config import Config, edit
from appliance.config.load import FILE_NAME
from appliance.setup.set_up import SMARTHOST_PASSWORD_FILE, write_secret

from ..wizard.steps import Draft, Faults, Step, take

# Stands for the password that is kept in its file and shown to nobody; no form can hold it.
_KEPT = "\0"


def draft_of(config: Config) -> Draft:
    """The question as it is answered now."""
    relay = config.outbound.smarthost
    if relay is None:
        return Draft(outbound=config.outbound.mode)
    return Draft(
        outbound=config.outbound.mode,
        smarthost_host=relay.host,
        smarthost_port=relay.port,
        smarthost_tls=relay.tls,
        smarthost_username=relay.username or "",
        smarthost_password=_KEPT if relay.password_file else "",
    )


def change(home: Path, config: Config, form: Mapping[str, str]) -> Faults:
    """Writes the answer unless something is wrong with it. Raises ConfigFault. Durability: durable."""
    draft, faults = take(Step.OUTBOUND, form, draft_of(config), str)
    if faults:
        return faults
    values: dict[str, Any] = {"outbound.mode": draft.outbound}
    if draft.outbound == "smarthost":
        values |= {
            "outbound.smarthost.host": draft.smarthost_host,
            "outbound.smarthost.port": draft.smarthost_port,
            "outbound.smarthost.tls": draft.smarthost_tls,
            "outbound.smarthost.username": draft.smarthost_username or None,
        }
        if draft.smarthost_password != _KEPT:
            values["outbound.smarthost.password_file"] = SMARTHOST_PASSWORD_FILE if draft.smarthost_password else None
            if draft.smarthost_password:
                write_secret(home / SMARTHOST_PASSWORD_FILE, draft.smarthost_password)
    edit(home / FILE_NAME, values)
    return {}
