"""The owner's pages. Everything here needs the administrator's sign-in."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flask import (
    Blueprint,
    Response,
    abort,
    flash,
    jsonify,
    redirect,
    render_template,
    request,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from appliance import __version__
from appliance.accounts.accounts import AccountFault
from appliance.config import ConfigFault
from appliance.status.snapshot import Snapshot
from appliance.status.trace import TraceReader, tell
from appliance.store import mailboxes, queue_rows, quota
from appliance.store.changes import queue as queue_changes
from appliance.store.refusals import StoreRefusal

from ..sign_in.tickets import Role
from ..site import signed_in, site
from ..words import say
from . import live, panels
from .lights import lights_of

if TYPE_CHECKING:
    from appliance.setup.records import DnsRecord

admin = Blueprint("admin", __name__, url_prefix="/admin")

KEEPS_ITSELF_FRESH = {"admin.news", "admin.stream"}  # a page that asks by itself does not keep a person signed in
DELIVERIES_SHOWN = 12
QUEUE_SHOWN = 200
STORIES_SHOWN = 25


@admin.before_request
def _administrator_only() -> ResponseReturnValue | None:
    if signed_in(Role.ADMINISTRATOR, seen=request.endpoint not in KEEPS_ITSELF_FRESH):
        return None
    if request.endpoint in KEEPS_ITSELF_FRESH:
        abort(401)
    back = request.path if request.method == "GET" else None
    return redirect(url_for("sign_in.administrator", back=back))


# -- is everything well?


@admin.get("/")
def dashboard() -> ResponseReturnValue:
    snapshot = _snapshot()
    return render_template("admin/dashboard.html", lights=lights_of(snapshot, time.time()), **_panel_values(snapshot))


@admin.get("/news")
def news() -> ResponseReturnValue:
    """For browsers that ask every few seconds."""
    return jsonify(_news(_snapshot()))


@admin.get("/stream")
def stream() -> ResponseReturnValue:
    """Server-sent events; 503 when too many look, and the page asks for news instead."""
    feed = site().feed
    if not feed.join():
        return Response(status=503)

    gone = request.environ.get("waitress.client_disconnected", lambda: False)

    def lines() -> Iterator[str]:
        with live.place(feed):
            yield "retry: 3000\n\n"
            for snapshot in feed.follow(gone):
                if not signed_in(Role.ADMINISTRATOR, seen=False):
                    yield "event: gone\ndata: {}\n\n"
                    return
                yield f"data: {json.dumps(_news(snapshot))}\n\n"

    return Response(stream_with_context(lines()), mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})


def _snapshot() -> Snapshot | None:
    return panels.fresh(site().status.snapshot(), time.time())


def _news(snapshot: Snapshot | None) -> dict[str, Any]:
    snapshot = panels.fresh(snapshot, time.time())
    values = _panel_values(snapshot)
    return {
        "lights": {
            light.name: {"rhythm": light.rhythm, "says": _(light.says), "called": _(light.called)}
            for light in lights_of(snapshot, time.time())
        },
        "flashes": snapshot.mail_flashes if snapshot else 0,
        "parts": {
            "verdict": render_template("admin/verdict.html", **values),
            "panel": render_template("admin/panel.html", **values),
        },
    }


def _panel_values(snapshot: Snapshot | None) -> dict[str, Any]:
    return {
        "verdict": panels.verdict(snapshot, site().config),
        "problems": panels.worst_first(snapshot.problems) if snapshot else [],
        "queue": snapshot.queue if snapshot else None,
        "deliveries": snapshot.deliveries[:DELIVERIES_SHOWN] if snapshot else (),
        "storage": snapshot.storage if snapshot else None,
        "card": panels.card_panel(snapshot.card) if snapshot and snapshot.card else None,
    }


# Keys and certificates take 8 MB to look at, and the pages that show them are seldom opened: imported then.


def _records() -> list[DnsRecord]:
    from appliance.setup.records import records

    return records(site().deps.home, site().config)


def _fingerprint() -> str:
    from appliance.setup.records import certificate_fingerprint

    return certificate_fingerprint(site().deps.home, site().config)


@admin.get("/welcome")
def welcome() -> ResponseReturnValue:
    config, snapshot = site().config, _snapshot()
    return render_template(
        "admin/welcome.html",
        said=panels.first_look(config, snapshot, self_signed=config.tls.certificate is None),
        settings=panels.program_settings(config, snapshot),
        first_account=next((a.address for a in site().accounts.all()), ""),
        records=_records(),
        fingerprint=_fingerprint(),
    )


@admin.get("/dns")
def dns() -> ResponseReturnValue:
    return render_template("admin/dns.html", records=_records())


@admin.get("/system")
def system() -> ResponseReturnValue:
    config, snapshot = site().config, _snapshot()
    return render_template(
        "admin/system.html",
        version=__version__,
        snapshot=snapshot,
        settings=panels.program_settings(config, snapshot),
        fingerprint=_fingerprint(),
        home=site().deps.home,
    )


@admin.route("/sending", methods=["GET", "POST"])
def sending() -> ResponseReturnValue:
    """How mail leaves."""
    from .sending import change, draft_of

    config, faults = site().config, {}
    if request.method == "POST":
        try:
            faults = change(site().deps.home, config, request.form)
        except ConfigFault as fault:
            flash(str(fault), "bad")
        else:
            if not faults:
                answer = site().ask(verb="reload")
                if answer is not None and not answer.get("ok"):
                    flash(str(answer.get("error", "")), "bad")
                flash(_("Saved. From now on mail leaves this way."))
                return redirect(url_for(".system"))
    page = render_template(
        "admin/sending.html",
        draft=draft_of(config),
        typed=request.form,
        faults={field: say(reason) for field, reason in faults.items()},
    )
    return page, 422 if faults else 200


# -- accounts and aliases


@admin.get("/accounts")
def accounts() -> ResponseReturnValue:
    def sizes(connection: sqlite3.Connection) -> dict[int, int]:
        return {a.id: quota.use_of(connection, a.id).octets for a in everybody}

    everybody = site().accounts.all()
    return render_template(
        "admin/accounts.html", accounts=everybody, sizes=site().store.read_now(sizes), typed={}, fault=""
    )


@admin.post("/accounts/add")
def add_account() -> ResponseReturnValue:
    address = _address(request.form.get("address", ""))
    try:
        with site().hashing():
            added = site().accounts.add(
                address, request.form.get("password", ""), " ".join(request.form.get("name", "").split())[:100]
            )
    except (AccountFault, StoreRefusal) as fault:
        return _no(fault, "accounts")
    flash(_("%(address)s can receive and send mail now.", address=added.address))
    return redirect(url_for(".accounts"))


@admin.post("/accounts/password")
def change_password() -> ResponseReturnValue:
    address = request.form.get("address", "")
    try:
        with site().hashing():
            site().accounts.change_password(address, request.form.get("password", ""))
    except (AccountFault, StoreRefusal) as fault:
        return _no(fault, "accounts")
    flash(_("The password of %(address)s is changed. Mail programs will ask for it.", address=address))
    return redirect(url_for(".accounts"))


@admin.get("/accounts/<path:address>")
def account(address: str) -> ResponseReturnValue:
    """One account: its password, and the way to remove it."""
    found = next((each for each in site().accounts.all() if each.address == address), None)
    if found is None:
        abort(404)
    held = site().store.read_now(lambda connection: mailboxes.list_mailboxes(connection, found.id))
    return render_template("admin/account.html", account=found, messages=sum(m.messages for m in held))


@admin.post("/accounts/remove")
def remove_account() -> ResponseReturnValue:
    address = request.form.get("address", "")
    if not request.form.get("sure"):
        flash(_("Nothing was removed: tick the box first, so that it cannot happen by accident."), "bad")
        return redirect(url_for(".account", address=address))
    try:
        site().accounts.remove(address)
    except (AccountFault, StoreRefusal) as fault:
        return _no(fault, "accounts")
    flash(_("%(address)s and all its mail are removed.", address=address))
    return redirect(url_for(".accounts"))


@admin.get("/aliases")
def aliases() -> ResponseReturnValue:
    return render_template("admin/aliases.html", aliases=site().accounts.list_aliases())


@admin.post("/aliases/set")
def set_alias() -> ResponseReturnValue:
    address = request.form.get("address", "").strip()
    address = address if address.startswith("@") else _address(address)
    targets = request.form.get("targets", "").replace(",", " ").split()
    try:
        site().accounts.set_alias(address, targets)
    except (AccountFault, StoreRefusal) as fault:
        return _no(fault, "aliases")
    flash(_("Mail to %(address)s now goes to %(targets)s.", address=address, targets=", ".join(targets)))
    return redirect(url_for(".aliases"))


@admin.post("/aliases/remove")
def remove_alias() -> ResponseReturnValue:
    address = request.form.get("address", "")
    try:
        site().accounts.remove_alias(address)
    except (AccountFault, StoreRefusal) as fault:
        return _no(fault, "aliases")
    flash(_("The alias %(address)s is removed.", address=address))
    return redirect(url_for(".aliases"))


def _address(typed: str) -> str:
    """A name alone is a name in the first domain."""
    typed = typed.strip()
    return typed if "@" in typed or not typed else f"{typed}@{site().config.domains[0]}"


def _no(fault: AccountFault | StoreRefusal, page: str) -> ResponseReturnValue:
    flash(say(fault.reason), "bad")
    return redirect(url_for(f".{page}"))


# -- the queue


@admin.get("/queue")
def queue() -> ResponseReturnValue:
    def both(connection: sqlite3.Connection) -> tuple[list[Any], list[Any]]:
        return queue_rows.all_messages(connection), queue_rows.all_recipients(connection)

    messages, recipients = site().store.read_now(both)
    lines = panels.queue_lines(messages, recipients, site().config)
    return render_template(
        "admin/queue.html", lines=lines[:QUEUE_SHOWN], more=max(0, len(lines) - QUEUE_SHOWN), config=site().config
    )


@admin.post("/queue/flush")
def flush_queue() -> ResponseReturnValue:
    count = site().store.write_now(queue_changes.flush())
    flash(_("Everything that waits is tried again now.") if count else _("Nothing is waiting."))
    return redirect(url_for(".queue"))


@admin.post("/queue/<int:message_id>/<any(flush, hold, release, remove):verb>")
def queue_verb(message_id: int, verb: str) -> ResponseReturnValue:
    if verb == "remove" and not request.form.get("sure"):
        flash(_("Nothing was deleted: tick the box first, so that it cannot happen by accident."), "bad")
        return redirect(url_for(".queue"))
    changes = {
        "flush": queue_changes.flush,
        "hold": queue_changes.hold,
        "release": queue_changes.release,
        "remove": queue_changes.remove,
    }
    done = {
        "flush": _("The message is tried again now."),
        "hold": _("The message is held: it stays here until you release it."),
        "release": _("The message is released and goes on."),
        "remove": _("The message is deleted. Nobody was told."),
    }
    if site().store.write_now(changes[verb](message_id)):
        flash(done[verb])
    else:
        flash(_("That message is not in the queue any more, or was so already."), "bad")
    return redirect(url_for(".queue"))


# -- where is my mail?


@admin.get("/trace")
def trace() -> ResponseReturnValue:
    asked = request.args.get("q", "").strip()[:500]
    site().ask(verb="trace-sync")  # so that what happened a second ago is told too
    reader = TraceReader(site().deps.home / "derived" / "trace.db")
    found = reader.find(asked, STORIES_SHOWN) if asked else reader.recent(STORIES_SHOWN)
    return render_template("admin/trace.html", asked=asked, stories=[(story, tell(story)) for story in found])
