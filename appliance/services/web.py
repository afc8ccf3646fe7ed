"""The web process: Flask under waitress, on one port, with the same store and the status socket of the mail process."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import socket
import threading
import time
from pathlib import Path

import msgspec
import waitress.server
from flask import Flask

from web import WebDeps, create_app, create_app_without_store

from ..config import ConfigFault, ListenConfig, load
from ..status.card_tell import WriteTeller
from ..status.client import StatusClient
from ..status.events import ListenerChanged
from ..store.interface import Store
from .memory import give_back
from .notify import notify
from .opening import TRY_AGAIN_S, UNUSABLE, can_be_opened
from .places import Places
from .ready import tell_ready
from .sockets import inherited

log = logging.getLogger("merpati.web")

THREADS = 8  # one for each event stream of an open dashboard, and some for pages
BODY_MOST_OCTETS = 1024 * 1024
UNSENT_OCTETS = (
    1024 * 1024
)  # of an answer, for a browser that is slow; waitress keeps as much again that is sent already
SECRET_OCTETS = 32
AGAIN_AFTER_S = 2.0
ENDS = (signal.SIGTERM, signal.SIGINT)


def main(places: Places) -> None:
    """Until SIGTERM."""
    give_back()
    logging.getLogger("waitress").setLevel(logging.WARNING)  # below that it tells of each browser that left
    places.make()
    # Waited for rather than handled: a handler runs inside whatever the main thread holds just then, locks included.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    store = _store(places)
    try:
        config = load(places.config)
        app = _app(places, store)
        listener = inherited().get("web") or _listen(places, config.listen)
        if listener is None:
            return
        host, port = listener.getsockname()[:2]
        server = waitress.server.create_server(
            app,
            sockets=[listener],
            threads=THREADS,
            max_request_body_size=BODY_MOST_OCTETS,
            outbuf_high_watermark=UNSENT_OCTETS,
            ident=None,
            # Nothing believes those headers, but the wizard must see that somebody came by way of a proxy.
            clear_untrusted_proxy_headers=False,
            channel_request_lookahead=1,  # so that a stream hears that its browser has left
        )
        threading.Thread(target=server.run, name="waitress", daemon=True).start()
        teller = WriteTeller(StatusClient(places.status_socket), "web")
        threading.Thread(target=teller.keep_telling, args=(threading.Event(),), name="writes", daemon=True).start()
        shown = f"[{host}]" if ":" in host else host
        print(f"Merpati's page: http://{shown}:{port}/", flush=True)
        if store is not None and not config.is_set_up:
            print(f"It is not set up yet. The claim code: {app.extensions['merpati'].claim.ensure()}", flush=True)
        tell_ready("web", {"web": port})
        _wait(places, store)
        notify(stopping=True)
        if store is not None:
            app.extensions["merpati"].close()  # open dashboards
        server.task_dispatcher.shutdown(timeout=2)  # or a page still being answered would find its socket gone
        server.close()
    finally:
        if store is not None:
            store.close()


def _store(places: Places) -> Store | None:
    """None: it cannot be opened, and the page says so."""
    try:
        return Store(places.home, scratch=places.runtime)
    except (*UNUSABLE, OSError) as fault:
        log.error("the mail store cannot be opened: %s", fault)
        return None


def _app(places: Places, store: Store | None) -> Flask:
    key = _secret_key(places.home / "keys" / "web-secret")
    if store is None:
        return create_app_without_store(key)
    return create_app(
        WebDeps(
            home=places.home,
            runtime=places.runtime,
            store=store,
            load_config=lambda: load(places.config),
            status=StatusClient(places.status_socket),
            secret_key=key,
        )
    )


def _wait(places: Places, store: Store | None) -> None:
    """For the end; without a store also until there is one: then whoever started this process starts it again."""
    if store is not None:
        signal.sigwait(ENDS)
        return
    while signal.sigtimedwait(ENDS, TRY_AGAIN_S) is None:
        if can_be_opened(places.home, places.runtime):
            return


def _listen(places: Places, listen: ListenConfig) -> socket.socket | None:
    """Until the port can be had: another program may hold it now, and mail does not wait for that. None when it is time
    to end."""
    status = StatusClient(places.status_socket)
    refused = False
    while True:
        try:
            listener = _open(listen)
        except OSError as fault:
            refused = True
            _tell(status, listen, os.strerror(fault.errno) if fault.errno else str(fault))
            tell_ready("web", {})
            if signal.sigtimedwait(ENDS, AGAIN_AFTER_S) is not None:
                return None
            with contextlib.suppress(ConfigFault):
                listen = load(places.config).listen
            continue
        if listener is None:
            tell_ready("web", {})
            signal.sigwait(ENDS)
        elif refused:
            _tell(status, listen, "")
        return listener


def _tell(status: StatusClient, listen: ListenConfig, detail: str) -> None:
    """The mail process keeps what is wrong; one that was started since has to be told again."""
    snapshot = status.snapshot()
    if snapshot is None or bool(detail) == any(problem.id == "listener:web" for problem in snapshot.problems):
        return
    event = ListenerChanged(at=time.time(), name="web", port=int(listen.web), ok=not detail, detail=detail)
    status.ask("event", event=msgspec.to_builtins(event))


def _open(listen: ListenConfig) -> socket.socket | None:
    """Raises OSError."""
    if listen.web == "off":
        return None
    ipv6 = ":" in listen.address
    return socket.create_server(
        (listen.address, listen.web),
        family=socket.AF_INET6 if ipv6 else socket.AF_INET,
        dualstack_ipv6=listen.address == "::",
    )


def _secret_key(path: Path) -> bytes:
    """What session cookies are signed with; made once, so that a restart signs nobody out. A damaged one is made anew:
    with an empty one anybody could sign."""
    with contextlib.suppress(OSError, ValueError):
        key = bytes.fromhex(path.read_text().strip())
        if len(key) >= SECRET_OCTETS:
            return key
    from ..setup.set_up import write_secret  # brings 8 MB of cryptography with it, once

    text = secrets.token_hex(SECRET_OCTETS)
    write_secret(path, text)
    return bytes.fromhex(text)
