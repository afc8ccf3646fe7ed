"""Signing in and out: the administrator with a password, a mailbox's owner with address and password."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from appliance.accounts.accounts import SignedInAccount
from appliance.mail.reply import Reply

from ..security import local_path
from ..site import client_ip, current_proof, sign_in, sign_out, signed_in, site
from .tickets import Role, Ticket

sign_in_pages = Blueprint("sign_in", __name__)

LONGEST_PASSWORD = 4096  # characters; what is longer is not worth hashing


@sign_in_pages.route("/sign-in", methods=["GET", "POST"])
def administrator() -> ResponseReturnValue:
    back = local_path(request.values.get("back"))
    after = back if back.startswith("/admin") else url_for("admin.dashboard")
    if request.method == "GET":
        if signed_in(Role.ADMINISTRATOR):
            return redirect(after)
        return render_template("sign_in/administrator.html", back=after, fault="")
    with site().hashing():
        refused = site().accounts.administrator_sign_in_now(
            request.form.get("password", "")[:LONGEST_PASSWORD], ip=client_ip()
        )
    proof = current_proof(Role.ADMINISTRATOR)
    if refused is not None or proof is None:
        fault = _sentence(refused, _("That is not the administrator's password."))
        return render_template("sign_in/administrator.html", back=after, fault=fault), 401
    sign_in(Ticket(Role.ADMINISTRATOR, proof))
    return redirect(after)


@sign_in_pages.route("/mail/sign-in", methods=["GET", "POST"])
def mailbox() -> ResponseReturnValue:
    address = request.form.get("address", "").strip()
    if request.method == "GET":
        if signed_in(Role.MAILBOX):
            return redirect(url_for("webmail.inbox"))
        return render_template("sign_in/mailbox.html", address="", fault="")
    with site().hashing():
        answer = site().accounts.sign_in_now(
            address, request.form.get("password", "")[:LONGEST_PASSWORD], protocol="web", ip=client_ip()
        )
    proof = current_proof(Role.MAILBOX, answer.id) if isinstance(answer, SignedInAccount) else None
    if not isinstance(answer, SignedInAccount) or proof is None:
        refused = answer if isinstance(answer, Reply) else None
        fault = _sentence(refused, _("The address or the password is not right."))
        return render_template("sign_in/mailbox.html", address=address, fault=fault), 401
    sign_in(Ticket(Role.MAILBOX, proof, answer.id, answer.address))
    return redirect(url_for("webmail.inbox"))


@sign_in_pages.post("/sign-out")
def administrator_out() -> ResponseReturnValue:
    sign_out(Role.ADMINISTRATOR)
    return redirect("/")


@sign_in_pages.post("/mail/sign-out")
def mailbox_out() -> ResponseReturnValue:
    sign_out(Role.MAILBOX)
    return redirect("/")


def _sentence(refused: Reply | None, wrong: str) -> str:
    sentence = wrong
    if refused is not None and refused.temporary:
        sentence = _(
            "Too many wrong passwords came from your network. Try again in %(seconds)s seconds.",
            seconds=refused.reason.params["seconds"],
        )
    return sentence
