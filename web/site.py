"""What all views share: the dependencies, the configuration as it stands, who has signed in. Made once by create_app."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
from flask import abort, current_app, request, session

from appliance.accounts.accounts import Accounts
from appliance.config import Config, ConfigFault
from appliance.config.load import FILE_NAME
from appliance.status.events import (
    AccessEnded,
    AccountsChanged,
    Event,
    MailboxChanged,
    MailboxListChanged,
    QueueChanged,
    QueueVerb,
    SignedIn,
)
from appliance.store.accounts import administrator_hash, get_account

from .admin.live import Feed
from .deps import WebDeps
from .sign_in.claim_code import ClaimCode
from .sign_in.tickets import Role, Ticket, Tickets, proof_of

log = logging.getLogger("merpati.web")

HASHING_PATIENCE_S = 10.0
FOR_THE_MAIL_PROCESS = (
    AccessEnded,
    AccountsChanged,
    MailboxChanged,
    MailboxListChanged,
    QueueChanged,
    QueueVerb,
    SignedIn,
)


class Site:
    def __init__(self, deps: WebDeps) -> None:
        self.deps = deps
        self.store = deps.store
        self.status = deps.status
        self.claim = ClaimCode(deps.runtime)
        self.tickets = Tickets()
        self.feed = Feed(deps.status)
        self.wizard_secrets: dict[str, str] = {}
        self._config: tuple[tuple[int, int, int] | None, Config] | None = None
        self._accounts: Accounts | None = None
        self._lock = threading.Lock()
        # One argon2 hash at a time: two are 38 MiB, and whoever floods the sign-in page waits for themselves.
        self._hashing = threading.Lock()
        self._to_tell: queue.SimpleQueue[Event] = queue.SimpleQueue()
        deps.store.bus.subscribe(self._note)
        threading.Thread(target=self._tell, name="web-teller", daemon=True).start()

    @property
    def config(self) -> Config:
        """merpati.yaml as it stands; read again only when the file is another one. A file with a mistake in it keeps
        the last good configuration in force, as it does in the mail process. Raises ConfigFault when there is none."""
        try:
            found = os.stat(self.deps.home / FILE_NAME)
            mark = (found.st_mtime_ns, found.st_ino, found.st_size)
        except FileNotFoundError:
            mark = None
        with self._lock:
            if self._config is None or self._config[0] != mark:
                try:
                    self._config = (mark, self.deps.load_config())
                except ConfigFault as fault:
                    if self._config is None:
                        raise
                    log.error("%s", fault)
                    self._config = (mark, self._config[1])
            return self._config[1]

    @property
    def accounts(self) -> Accounts:
        domains = self.config.domains
        with self._lock:
            if self._accounts is None or self._accounts.domains != domains:
                self._accounts = Accounts(self.store, domains)
            return self._accounts

    def close(self) -> None:
        """Before the server is closed: ends what would write to it still."""
        self.feed.close()

    @contextlib.contextmanager
    def hashing(self) -> Iterator[None]:
        """Around whatever hashes a password."""
        if not self._hashing.acquire(timeout=HASHING_PATIENCE_S):
            abort(503)
        try:
            yield
        finally:
            self._hashing.release()

    def ask(self, **question: Any) -> dict[str, Any] | None:
        """None when the mail process does not answer."""
        return self.status.ask(question)

    def _note(self, event: Event) -> None:
        if isinstance(event, FOR_THE_MAIL_PROCESS):
            self._to_tell.put(event)

    def _tell(self) -> None:
        """The mail process hears what was changed from here: IDLE, the queue and the LEDs hang on it."""
        while True:
            event = self._to_tell.get()
            try:
                self.ask(verb="event", event=msgspec.to_builtins(event))
            except Exception:
                log.exception("an event could not be passed on")


def site() -> Site:
    found: Site = current_app.extensions["merpati"]
    return found


def client_ip() -> str:
    return request.remote_addr or ""


# A browser holds one token for each role, so that an owner can read mail and look after the server at once.
_TOKEN = {Role.ADMINISTRATOR: "administrator", Role.MAILBOX: "mailbox"}


def sign_in(ticket: Ticket) -> None:
    """A new session: nothing that was in the browser before, not even its CSRF token, is good for anything after."""
    other = {key: session[key] for role, key in _TOKEN.items() if role is not ticket.role and key in session}
    site().tickets.revoke(session.get(_TOKEN[ticket.role]))
    session.clear()
    session.update(other)
    session[_TOKEN[ticket.role]] = site().tickets.issue(ticket)


def sign_out(role: Role) -> None:
    site().tickets.revoke(session.get(_TOKEN[role]))
    other = {key: session[key] for each, key in _TOKEN.items() if each is not role and key in session}
    session.clear()
    session.update(other)


def signed_in(role: Role, *, seen: bool = True) -> Ticket | None:
    """The ticket this browser holds, if its password is still the one it was given for."""
    ticket = site().tickets.find(session.get(_TOKEN[role]), seen=seen)
    if ticket is None or current_proof(ticket.role, ticket.account_id) != ticket.proof:
        return None
    return ticket


def current_proof(role: Role, account_id: int = 0) -> str | None:
    if role is Role.ADMINISTRATOR:
        password_hash = site().store.read_now(administrator_hash)
    else:
        account = site().store.read_now(lambda connection: get_account(connection, account_id))
        password_hash = account.password_hash if account else None
    return proof_of(password_hash) if password_hash else None
