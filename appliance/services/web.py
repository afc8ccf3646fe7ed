"""The web process: Flask under waitress, on one port, with the same store and the status socket of the mail process."""

from __future__ import annotations

import logging
import secrets
import signal
import socket
import threading
from pathlib import Path

import waitress.server

from web import WebDeps, create_app

from ..config import ListenConfig, load
from ..status.socket import StatusClient
from ..store.interface import Store
from .memory import give_back
from .notify import notify
from .places import Places
from .ready import tell_ready
from .sockets import inherited

THREADS = 8  # one for each event stream of an open dashboard, and some for pages
BODY_MOST_OCTETS = 1024 * 1024
ENDS = (signal.SIGTERM, signal.SIGINT)


def main(places: Places) -> None:
    """Until SIGTERM."""
    give_back()
    logging.getLogger("waitress").setLevel(logging.WARNING)  # below that it tells of each browser that left
    places.make()
    # Waited for rather than handled: a handler runs inside whatever the main thread holds just then, locks included.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    store = Store(places.home, scratch=places.runtime)
    try:
        config = load(places.config)
        app = create_app(
            WebDeps(
                home=places.home,
                runtime=places.runtime,
                store=store,
                load_config=lambda: load(places.config),
                status=StatusClient(places.status_socket),
                secret_key=_secret_key(places.home / "keys" / "web-secret"),
            )
        )
        listener = inherited().get("web") or _listen(config.listen)
        if listener is None:
            tell_ready("web", {})
            signal.sigwait(ENDS)
            return
        host, port = listener.getsockname()[:2]
        server = waitress.server.create_server(
            app,
            sockets=[listener],
            threads=THREADS,
            max_request_body_size=BODY_MOST_OCTETS,
            ident=None,
            # Nothing believes those headers, but the wizard must see that somebody came by way of a proxy.
            clear_untrusted_proxy_headers=False,
            channel_request_lookahead=1,  # so that a stream hears that its browser has left
        )
        threading.Thread(target=server.run, name="waitress", daemon=True).start()
        shown = f"[{host}]" if ":" in host else host
        print(f"Merpati's page: http://{shown}:{port}/", flush=True)
        if not config.is_set_up:
            print(f"It is not set up yet. The claim code: {app.extensions['merpati'].claim.ensure()}", flush=True)
        tell_ready("web", {"web": port})
        signal.sigwait(ENDS)
        notify(stopping=True)
        app.extensions["merpati"].close()  # open dashboards
        server.task_dispatcher.shutdown(timeout=2)  # or a page still being answered would find its socket gone
        server.close()
    finally:
        store.close()


def _listen(listen: ListenConfig) -> socket.socket | None:
    if listen.web == "off":
        return None
    ipv6 = ":" in listen.address
    return socket.create_server(
        (listen.address, listen.web),
        family=socket.AF_INET6 if ipv6 else socket.AF_INET,
        dualstack_ipv6=listen.address == "::",
    )


def _secret_key(path: Path) -> bytes:
    """What session cookies are signed with; made once, so that a restart signs nobody out."""
    if not path.exists():
        from ..setup.set_up import write_secret  # brings 8 MB of cryptography with it, once

        write_secret(path, secrets.token_hex(32))
    return bytes.fromhex(path.read_text().strip())
