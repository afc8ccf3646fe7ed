"""A set-up home, made once and copied: keys and hashes cost a second, and most tests only need them to be there."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from appliance.accounts.accounts import Accounts
from appliance.config import edit
from appliance.setup.set_up import Answers, set_up
from appliance.store.changes.delivery import DeliveryPlan, Dispatch, Forwarding, deliver
from appliance.store.interface import Store

from .world import ADMIN_PASSWORD, FREE_PORTS, PASSWORD

DOMAIN = "near.example"


class Homes:
    """Hands out copies of one home: set up for near.example, with bob@near.example, on free ports, without LEDs."""

    def __init__(self, folder: Path) -> None:
        self._first = folder / "first"
        store = Store(self._first)
        try:
            answers = Answers(hostname=f"mx.{DOMAIN}", domain=DOMAIN, outbound="direct", admin_password=ADMIN_PASSWORD)
            set_up(self._first, store, answers)
            edit(self._first / "merpati.yaml", {**FREE_PORTS, "leds.enabled": False})
            accounts = Accounts(store, (DOMAIN,))
            accounts.add(f"bob@{DOMAIN}", PASSWORD, "Bob")
            accounts.close()
        finally:
            store.close()

    def copy(self, to: Path) -> Path:
        shutil.copytree(self._first, to)
        return to


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Homes:
    return Homes(tmp_path_factory.mktemp("homes"))


def put_in_queue(store: Store, trace_id: str, *recipients: str, subject: str = "hello") -> None:
    """As if it had come in for these addresses elsewhere."""
    content = store.spool_bytes(b"Subject: x\r\n\r\nx\r\n")
    forwardings = tuple(Forwarding(address, address.rpartition("@")[2]) for address in recipients)
    dispatch = Dispatch(f"bob@{DOMAIN}", forwardings, b"", message_id_header=f"<{trace_id}@{DOMAIN}>", subject=subject)
    store.write_now(deliver(DeliveryPlan(trace_id, content, b"", int(time.time()), dispatches=(dispatch,))))
    content.discard()
