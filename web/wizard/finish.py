"""All questions are answered: from the draft to a set-up appliance."""

from __future__ import annotations

from pathlib import Path

from appliance.mail.reason import Reason
from appliance.setup.set_up import Answers, SetupFault, Smarthost, set_up
from appliance.store.interface import Store

from .steps import Draft


def finish(home: Path, store: Store, draft: Draft, password: str) -> Reason | None:
    """password: of the first mailbox. Returns why not, when it could not be done. Durability: durable."""
    try:
        set_up(home, store, answers(draft, password))
    except SetupFault as fault:
        return fault.reason
    return None


def answers(draft: Draft, password: str) -> Answers:
    relay = None
    if draft.outbound == "smarthost":
        relay = Smarthost(
            draft.smarthost_host,
            draft.smarthost_port,
            draft.smarthost_tls,  # type: ignore[arg-type]  # one of steps.TLS_PORTS
            draft.smarthost_username or None,
            draft.smarthost_password or None,
        )
    return Answers(
        hostname=draft.hostname,
        domain=draft.domain,
        outbound=draft.outbound,  # type: ignore[arg-type]  # one of steps.OUTBOUND
        smarthost=relay,
        admin_password_hash=draft.admin_password_hash,
        first_address=f"{draft.mailbox}@{draft.domain}",
        first_password=password,
        first_name=draft.person,
    )
