"""The pages of somebody's mailbox. Everything here needs that person's sign-in and shows nothing of anybody else."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable
from urllib.parse import quote

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from appliance.mail.content import Content
from appliance.store import messages
from appliance.store.changes import messages as message_changes
from appliance.store.changes.flags import store_flags
from appliance.store.flags import SEEN
from appliance.store.mailboxes import INBOX, Mailbox, find_mailbox, get_mailbox, list_mailboxes
from appliance.store.refusals import StoreRefusal

from ..sign_in.tickets import Role, Ticket
from ..site import signed_in, site
from . import reading

webmail = Blueprint("webmail", __name__, url_prefix="/mail")

TRASH = "\\Trash"


def N_(name: str) -> str:
    """Marks a name for the catalogue."""
    return name


# The mailboxes that every account is given, by what they are for (RFC 6154): the page calls them in its own language.
CALLED = {
    "\\Archive": N_("Archive"),
    "\\Drafts": N_("Drafts"),
    "\\Junk": N_("Junk"),
    "\\Sent": N_("Sent"),
    "\\Trash": N_("Trash"),
}


def called(mailbox: Mailbox) -> str:
    if mailbox.name == INBOX:
        return str(_("Inbox"))
    plain = CALLED.get(mailbox.special_use or "")
    return str(_(plain)) if plain == mailbox.name else mailbox.name


def _who() -> Ticket:
    """Whose mailbox this is. `_only_signed_in` has seen to it that there is somebody."""
    ticket = signed_in(Role.MAILBOX)
    if ticket is None:
        abort(401)
    return ticket


@webmail.before_request
def _only_signed_in() -> ResponseReturnValue | None:
    return None if signed_in(Role.MAILBOX) else redirect(url_for("sign_in.mailbox"))


@webmail.get("/")
def inbox() -> ResponseReturnValue:
    who = _who()
    mailbox = site().store.read_now(lambda connection: find_mailbox(connection, who.account_id, INBOX))
    if mailbox is None:
        abort(404)
    return redirect(url_for(".mailbox", mailbox_id=mailbox.id))


@webmail.get("/<int:mailbox_id>/")
def mailbox(mailbox_id: int) -> ResponseReturnValue:
    this = _own(mailbox_id)
    before = request.args.get("before", type=int)
    lines, older = site().store.read_now(lambda connection: reading.page_of(connection, this.id, before))
    return render_template(
        "webmail/mailbox.html", this=this, lines=lines, older=older, newer=before is not None, **_around()
    )


@webmail.get("/<int:mailbox_id>/<int:uid>")
def message(mailbox_id: int, uid: int) -> ResponseReturnValue:
    this = _own(mailbox_id)
    row, content = _message(this, uid)
    structure = reading.structure_of(row)
    damaged, readable = False, None
    try:
        readable = reading.readable(structure, content) if structure else None
    except StoreRefusal:
        damaged = True
    if readable is not None and not row.flags & SEEN:
        site().store.write_now(store_flags(this.id, [uid], "+", SEEN, ""), durable=False)
    return render_template(
        "webmail/message.html", this=this, line=reading.line_of(row), readable=readable, damaged=damaged, **_around()
    )


@webmail.get("/<int:mailbox_id>/<int:uid>/part/<int:number>")
def part(mailbox_id: int, uid: int, number: int) -> ResponseReturnValue:
    row, content = _message(_own(mailbox_id), uid)
    structure = reading.structure_of(row)
    leaves = reading.leaves_of(structure.root) if structure else []
    if number >= len(leaves):
        abort(404)
    return _download(reading.octets_of(leaves[number], content), reading.file_name(number, leaves[number]))


@webmail.get("/<int:mailbox_id>/<int:uid>/whole")
def whole(mailbox_id: int, uid: int) -> ResponseReturnValue:
    row, content = _message(_own(mailbox_id), uid)
    return _download(itertools.chain([row.prefix], content.pieces()), f"message-{uid}.eml")


@webmail.post("/<int:mailbox_id>/<int:uid>/unread")
def unread(mailbox_id: int, uid: int) -> ResponseReturnValue:
    this = _own(mailbox_id)
    site().store.write_now(store_flags(this.id, [uid], "-", SEEN, ""), durable=False)
    return redirect(url_for(".mailbox", mailbox_id=this.id))


@webmail.post("/<int:mailbox_id>/<int:uid>/trash")
def trash(mailbox_id: int, uid: int) -> ResponseReturnValue:
    """Into Trash; out of Trash for good."""
    this, who = _own(mailbox_id), _who()
    everything = site().store.read_now(lambda connection: list_mailboxes(connection, who.account_id))
    bin_ = next((each for each in everything if each.special_use == TRASH), None)
    if bin_ is None or bin_.id == this.id:
        site().store.write_now(message_changes.remove(this.id, [uid]))
        flash(_("The message is deleted for good."))
    else:
        site().store.write_now(message_changes.move(this.id, [uid], bin_.id))
        flash(_("The message is in %(mailbox)s now.", mailbox=called(bin_)))
    return redirect(url_for(".mailbox", mailbox_id=this.id))


def _own(mailbox_id: int) -> Mailbox:
    """Another person's mailbox does not exist, as far as this one can tell."""
    who = _who()
    found = site().store.read_now(lambda connection: get_mailbox(connection, mailbox_id))
    if found is None or found.account_id != who.account_id:
        abort(404)
    return found


def _message(mailbox: Mailbox, uid: int) -> tuple[messages.MessageRow, Content]:
    def look(connection: sqlite3.Connection) -> tuple[messages.MessageRow, Content] | None:
        found = messages.rows(connection, mailbox.id, [uid], structure=True)
        return (found[0], site().store.content_in(connection, found[0].blob_id)) if found else None

    try:
        seen = site().store.read_now(look)
    except StoreRefusal:
        seen = None
    if seen is None:
        abort(404)
    return seen


def _around() -> dict[str, object]:
    who = _who()
    everything = site().store.read_now(lambda connection: list_mailboxes(connection, who.account_id))
    return {
        "mailboxes": sorted(everything, key=lambda each: (each.name != INBOX, each.name)),
        "address": who.address,
        "called": called,
    }


def _download(pieces: Iterable[bytes], name: str) -> Response:
    """Never shown, only saved: whatever it says of itself, the browser gets octets."""
    response = Response(pieces, mimetype="application/octet-stream")
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    response.headers["Content-Disposition"] = (
        f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    )
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox; frame-ancestors 'none'"
    return response
