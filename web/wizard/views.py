"""The wizard's pages. Open only until the appliance is set up, and only to the browser that claimed it."""

from __future__ import annotations

import time
from dataclasses import replace

from flask import Blueprint, abort, jsonify, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from appliance.accounts.passwords import hash_password
from appliance.store.accounts import setting
from appliance.store.changes.accounts import set_setting

from ..sign_in.claim_code import Taken, Wait, Won, Wrong
from ..sign_in.tickets import Role, Ticket
from ..site import client_ip, current_proof, sign_in, site
from ..words import say
from . import steps
from .steps import Draft, Faults, Step

wizard = Blueprint("wizard", __name__, url_prefix="/setup")

DRAFT = "wizard-draft"  # a key of the store's settings
MAIL_STARTS_WITHIN_S = 10.0
_POLL_S = 0.25


@wizard.get("/")
def start() -> ResponseReturnValue:
    if not _holds_claim():
        return redirect(url_for(".claim"))
    return redirect(url_for(".step", name=steps.next_step(_draft())))


@wizard.route("/claim", methods=["GET", "POST"])
def claim() -> ResponseReturnValue:
    if _holds_claim():
        return redirect(url_for(".start"))
    fault, code = "", 200
    if request.method == "POST":
        match site().claim.claim(request.form.get("code", ""), client_ip()):
            case Won(token):
                session.clear()
                session["claim"] = token
                return redirect(url_for(".start"))
            case Wrong(wait_s, changed):
                fault, code = _wrong_code(wait_s, changed), 403
            case Wait(wait_s):
                fault, code = _("Wait %(seconds)s seconds before the next try.", seconds=int(wait_s + 0.99)), 429
            case Taken():
                pass
    taken = not site().claim.is_open()
    return render_template("wizard/claim.html", fault=fault, taken=taken), 409 if taken else code


@wizard.route("/<any(password, name, outbound, mailbox):name>", methods=["GET", "POST"])
def step(name: str) -> ResponseReturnValue:
    if not _holds_claim():
        return redirect(url_for(".claim"))
    this, draft = Step(name), _draft()
    if not steps.may_visit(this, draft):
        return redirect(url_for(".start"))
    if request.method == "GET":
        return _page(this, draft, {})
    with site().hashing():
        draft, faults = steps.take(this, request.form, draft, hash_password)
    _keep(draft)
    if faults:
        return _page(this, draft, faults, typed=True)
    if this is Step.MAILBOX:
        return _finish(draft, request.form["password"])
    return redirect(url_for(".step", name=steps.STEPS[steps.STEPS.index(this) + 1]))


@wizard.post("/check/<any(password, name, outbound, mailbox):name>")
def check(name: str) -> ResponseReturnValue:
    """What is wrong with the answers as typed so far, by field; nothing is kept."""
    if not _holds_claim():
        abort(403)
    faults = steps.check(Step(name), request.form, _draft())
    return jsonify(
        faults={field: say(reason) for field, reason in faults.items()},
        suggested={"hostname": steps.suggested_hostname(request.form.get("domain", ""))} if name == Step.NAME else {},
    )


def _finish(draft: Draft, password: str) -> ResponseReturnValue:
    """Everything is answered: set up, start mail, and stay signed in as the administrator."""
    from .finish import finish  # making keys and certificates takes 8 MB that nothing else here needs

    with site().hashing():
        refused = finish(site().deps.home, site().store, draft, password)
    if refused is not None:
        return _page(Step.MAILBOX, draft, {"form": refused}, typed=True)
    site().claim.close()
    site().store.write_now(set_setting(DRAFT, ""))
    session.pop("claim", None)
    _secrets().clear()
    proof = current_proof(Role.ADMINISTRATOR)
    if proof is not None:
        sign_in(Ticket(Role.ADMINISTRATOR, proof))
    site().ask(verb="reload")
    _await_mail()
    return redirect(url_for("admin.welcome"))


def _await_mail() -> None:
    """Until the mail process says that it runs, or for as long as a person waits gladly; the next page tells which."""
    until = time.monotonic() + MAIL_STARTS_WITHIN_S
    while time.monotonic() < until:
        snapshot = site().status.snapshot()
        if snapshot is not None and snapshot.phase == "running":
            return
        time.sleep(_POLL_S)


def _page(this: Step, draft: Draft, faults: Faults, *, typed: bool = False) -> ResponseReturnValue:
    """typed: fill in again what was just typed, but for passwords."""
    page = render_template(
        f"wizard/{this}.html",
        step=this,
        steps=steps.STEPS,
        done=[each for each in steps.STEPS if steps.answered(each, draft)],
        before=steps.step_before(this),
        draft=draft,
        typed=request.form if typed else {},
        faults={field: say(reason) for field, reason in faults.items()},
    )
    return page, 422 if faults else 200


def _wrong_code(wait_s: float, changed: bool) -> str:
    seconds = max(1, int(wait_s + 0.99))
    sentence: str = _("That was not the code. The next try can be made in %(seconds)s seconds.", seconds=seconds)
    if changed:
        sentence = _(
            "That was not the code, and after several wrong tries there is a new one now: look at the console or"
            " CLAIM.TXT again. The next try can be made in %(seconds)s seconds.",
            seconds=seconds,
        )
    return sentence


def _holds_claim() -> bool:
    return site().claim.holds(session.get("claim"))


def _secrets() -> dict[str, str]:
    """What the wizard was told and must not be on the card before the set-up: in memory, for this process only."""
    found: dict[str, str] = site().wizard_secrets
    return found


def _draft() -> Draft:
    kept = Draft.from_json(site().store.read_now(lambda connection: setting(connection, DRAFT)))
    return replace(kept, smarthost_password=_secrets().get("smarthost_password", ""))


def _keep(draft: Draft) -> None:
    if draft != _draft():
        _secrets()["smarthost_password"] = draft.smarthost_password
        site().store.write_now(set_setting(DRAFT, draft.to_json()))
