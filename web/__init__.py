"""The pages: the wizard until the appliance is set up, then the owner's pages and a reader for mail.

The web is a guest of the appliance: it reads the store, changes accounts and queue through it, and hears and tells the
mail process over the status socket. It speaks no mail protocol. It may import appliance's `doctor`, `setup`, `leds` and
what lies below; only `appliance/services/web.py` imports it. `create_app` is the only place that wires.
"""

from __future__ import annotations

import zlib
from http import HTTPStatus
from pathlib import Path

from flask import Flask, Response, abort, g, redirect, render_template, request, send_from_directory, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from appliance.accounts.passwords import SHORTEST

from . import security
from .admin.views import admin
from .deps import StatusDoor, WebDeps
from .sign_in.views import sign_in_pages
from .site import Site, client_ip, site
from .webmail.views import webmail
from .wizard.views import wizard
from .words import LANGUAGE_COOKIE, LANGUAGES, set_up_words

__all__ = ["StatusDoor", "WebDeps", "create_app", "create_app_without_store"]

# What answers at any time and anybody in the house: the style of the refusal itself, and the choice of a language.
ALWAYS = {"asset", "choose_language"}


def create_app(deps: WebDeps) -> Flask:
    """Raises ConfigFault: nothing is served half-configured."""
    app = Flask(__name__, static_folder=None)
    app.extensions["merpati"] = Site(deps)
    security.protect(app, deps.secret_key)
    set_up_words(app)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(asset=_asset_address, shortest_password=SHORTEST)
    app.before_request(_let_in)
    app.register_error_handler(HTTPException, _refusal)
    app.add_url_rule("/", "front", _front)
    app.add_url_rule("/static/<path:name>", "asset", _asset)
    app.add_url_rule("/language", "choose_language", _choose_language, methods=["POST"])
    for pages in (sign_in_pages, wizard, admin, webmail):
        app.register_blueprint(pages)
    this = app.extensions["merpati"]
    if this.config.is_set_up:
        this.claim.close()  # the set-up may have been done without a browser
    else:
        this.claim.ensure()
    return app


def create_app_without_store(secret_key: bytes) -> Flask:
    """All there is while the mail store cannot be opened: one page that says so. It tells nobody more than that."""
    app = Flask(__name__, static_folder=None)
    security.protect(app, secret_key)
    set_up_words(app)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(asset=_asset_address)
    app.before_request(_out_of_order)
    app.add_url_rule("/static/<path:name>", "asset", _asset)
    app.add_url_rule("/language", "choose_language", _choose_language, methods=["POST"])
    return app


def _out_of_order() -> ResponseReturnValue | None:
    if request.endpoint in ALWAYS:
        return None
    return render_template("shared/out_of_order.html"), 503, {"Retry-After": "60"}


def _let_in() -> ResponseReturnValue | None:
    """Before anything is done: is this for us, and is it time for it?"""
    g.config = config = site().config
    names = [*config.domains, *([config.hostname] if config.hostname else [])]
    if not security.host_is_ours(request.host, names):
        abort(421)
    in_wizard = request.blueprint == "wizard"
    if config.is_set_up:
        if in_wizard:
            return redirect("/") if request.method in ("GET", "HEAD") else abort(404)
        return None
    if request.endpoint in ALWAYS:
        return None
    if not (security.came_directly(request.headers) and security.is_near(client_ip(), security.on_link_networks())):
        return render_template("shared/too_far.html"), 403
    if not in_wizard:
        return redirect(url_for("wizard.start"))
    return None


def _front() -> ResponseReturnValue:
    return render_template("shared/front.html")


def _choose_language() -> ResponseReturnValue:
    response = redirect(security.local_path(request.form.get("back")))
    chosen = request.form.get("language", "")
    if chosen in LANGUAGES:
        response.set_cookie(
            LANGUAGE_COOKIE, chosen, max_age=365 * 86400, httponly=True, samesite="Strict", secure=request.is_secure
        )
    return response


_STATIC = Path(__file__).parent / "static"
_marks: dict[str, str] = {}


def _asset_address(name: str) -> str:
    """With a mark of the content, so that browsers may keep it for good."""
    if name not in _marks:
        _marks[name] = f"{zlib.crc32((_STATIC / name).read_bytes()):08x}"
    return url_for("asset", name=name, v=_marks[name])


def _asset(name: str) -> ResponseReturnValue:
    response = send_from_directory(_STATIC, name)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if "v" in request.args else "no-cache"
    return response


def _refusal(fault: HTTPException) -> ResponseReturnValue:
    if fault.code is None or fault.code < 400:
        return fault
    sentences = {
        400: _("The form was too old or not complete. Go back, reload the page and try again."),
        403: _("This page is not for you."),
        404: _("There is no such page. Perhaps what it showed is gone."),
        405: _("That cannot be done this way."),
        413: _("That was more than this server takes at once."),
        421: _("This server goes by another name. Open it by the name or the address it was set up with."),
        429: _("Too much at once. Wait a little and try again."),
        500: _("Something went wrong in this server. It has been written down in its log; your mail is not affected."),
        503: _("The server is busy. Wait a moment and try again."),
    }
    sentence = sentences.get(fault.code, HTTPStatus(fault.code).phrase if fault.code in list(HTTPStatus) else "")
    if isinstance(fault, CSRFError):
        sentence = sentences[400]
    response = Response(render_template("shared/refusal.html", sentence=sentence), fault.code)
    for name in ("Allow", "Retry-After"):
        for value in fault.get_response().headers.getlist(name):
            response.headers.add(name, value)
    return response
