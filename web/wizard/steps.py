"""The wizard's questions: what is asked, what an answer has to be, which question is next. Pure.

A `Draft` is what has been answered so far. It never holds the administrator's password, only its hash; the smarthost's
password is in it but `to_json` leaves it out, so that after a restart it is asked again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum

from appliance.accounts import passwords
from appliance.mail.address import Address, AddressFault, parse_domain
from appliance.mail.reason import Reason, because

LONGEST_NAME = 100
OUTBOUND = ("direct", "smarthost", "off")
TLS_PORTS = {"implicit": 465, "starttls": 587, "none": 25}


def N_(sentence: str) -> str:
    """Marks a sentence for the catalogue."""
    return sentence


Form = Mapping[str, str]
Faults = dict[str, Reason]


class Step(StrEnum):
    PASSWORD = "password"
    NAME = "name"
    OUTBOUND = "outbound"
    MAILBOX = "mailbox"


STEPS = tuple(Step)


@dataclass(slots=True, frozen=True)
class Draft:
    admin_password_hash: str | None = field(default=None, repr=False)
    domain: str = ""
    hostname: str = ""
    outbound: str = ""
    smarthost_host: str = ""
    smarthost_port: int = 465
    smarthost_tls: str = "implicit"
    smarthost_username: str = ""
    smarthost_password: str = field(default="", repr=False)
    mailbox: str = ""
    person: str = ""

    def to_json(self) -> str:
        kept = asdict(self)
        del kept["smarthost_password"]
        return json.dumps(kept)

    @classmethod
    def from_json(cls, text: str | None) -> Draft:
        """What cannot be read is forgotten: the questions are asked again."""
        try:
            kept = json.loads(text or "{}")
            known = {f.name: f.default for f in fields(cls)}
            return cls(
                **{
                    name: value
                    for name, value in kept.items()
                    if name in known and (type(value) is type(known[name]) or name == "admin_password_hash")
                }
            )
        except (ValueError, TypeError, AttributeError):
            return cls()


def answered(step: Step, draft: Draft) -> bool:
    match step:
        case Step.PASSWORD:
            return draft.admin_password_hash is not None
        case Step.NAME:
            return bool(draft.domain and draft.hostname)
        case Step.OUTBOUND:
            if draft.outbound == "smarthost":
                return bool(draft.smarthost_host) and not needs_smarthost_password(draft)
            return draft.outbound in OUTBOUND
        case Step.MAILBOX:
            return False  # answering it completes the set-up


def needs_smarthost_password(draft: Draft) -> bool:
    return bool(draft.smarthost_username) and not draft.smarthost_password


def next_step(draft: Draft) -> Step:
    """The first question without an answer."""
    return next(step for step in STEPS if not answered(step, draft))


def may_visit(step: Step, draft: Draft) -> bool:
    """Back to any answered question, forward to the first open one."""
    return STEPS.index(step) <= STEPS.index(next_step(draft))


def step_before(step: Step) -> Step | None:
    at = STEPS.index(step)
    return STEPS[at - 1] if at else None


def take(step: Step, form: Form, draft: Draft, hash_password: Callable[[str], str]) -> tuple[Draft, Faults]:
    """(the draft with the answers of this step, what is wrong with them by field). The draft is the old one for fields
    that are wrong. hash_password is slow and only called for a good one."""
    match step:
        case Step.PASSWORD:
            return _take_password(form, draft, hash_password)
        case Step.NAME:
            return _take_name(form, draft)
        case Step.OUTBOUND:
            return _take_outbound(form, draft)
        case Step.MAILBOX:
            return _take_mailbox(form, draft)


def check(step: Step, form: Form, draft: Draft) -> Faults:
    """The same, without keeping anything: for the live check of a page."""
    return take(step, form, draft, lambda _: "")[1]


def suggested_hostname(domain: str) -> str:
    """A name of its own: a bare domain as the server's name looks like a dial-up line to many (PTR, EHLO)."""
    clean, fault = _domain(domain)
    return "" if fault else f"mail.{clean}"


def _take_password(form: Form, draft: Draft, hash_password: Callable[[str], str]) -> tuple[Draft, Faults]:
    password, again = form.get("password", ""), form.get("password_again", "")
    if not password and not again and draft.admin_password_hash is not None:
        return draft, {}  # passing by: the password stays
    faults = new_password_faults(password, again)
    return (draft, faults) if faults else (replace(draft, admin_password_hash=hash_password(password)), {})


def new_password_faults(password: str, again: str) -> Faults:
    if not password:
        return {"password": because("answer-missing")}
    faults: Faults = {}
    weak = passwords.weakness(password)
    if weak is not None:
        faults["password"] = weak
    if password != again:
        faults["password_again"] = because("passwords-differ")
    return faults


def _take_name(form: Form, draft: Draft) -> tuple[Draft, Faults]:
    faults: Faults = {}
    domain, fault = _domain(form.get("domain", ""))
    if fault:
        faults["domain"] = fault
    typed = form.get("hostname", "").strip()
    hostname, fault = _domain(typed or suggested_hostname(domain))
    if fault and (typed or not faults):
        faults["hostname"] = fault
    elif hostname == domain and not faults:
        faults["hostname"] = because("hostname-is-domain", domain=domain)
    return (draft, faults) if faults else (replace(draft, domain=domain, hostname=hostname), {})


def _domain(text: str) -> tuple[str, Reason | None]:
    text = text.strip().rstrip(".")
    if not text:
        return "", because("answer-missing")
    try:
        domain = parse_domain(text)
    except AddressFault as fault:
        return "", because("not-a-domain", domain=text, why=fault)
    if "." not in domain or domain.startswith("["):
        return "", because("not-a-domain", domain=text, why=N_("it needs a dot, as in example.org"))
    return domain, None


def _take_outbound(form: Form, draft: Draft) -> tuple[Draft, Faults]:
    outbound = form.get("outbound", "")
    if outbound not in OUTBOUND:
        return draft, {"outbound": because("choose-one")}
    if outbound != "smarthost":
        return replace(draft, outbound=outbound), {}
    faults: Faults = {}
    host, fault = _domain(form.get("smarthost_host", ""))
    if fault:
        faults["smarthost_host"] = fault
    tls = form.get("smarthost_tls", "implicit")
    if tls not in TLS_PORTS:
        faults["smarthost_tls"] = because("choose-one")
    port = form.get("smarthost_port", "").strip() or str(TLS_PORTS.get(tls, 465))
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 65536):
        faults["smarthost_port"] = because("port-number")
    username = form.get("smarthost_username", "").strip()
    password = form.get("smarthost_password", "")
    if any(len(text) > 1024 or not text.isprintable() for text in (username, password)):
        faults["smarthost_username"] = because("name-too-long", most=1024)
    if not password and username and username == draft.smarthost_username:
        password = draft.smarthost_password  # passing by: the password stays
    if username and not password:
        faults["smarthost_password"] = because("password-again" if draft.smarthost_username else "answer-missing")
    if faults:
        return draft, faults
    return (
        replace(
            draft,
            outbound=outbound,
            smarthost_host=host,
            smarthost_port=int(port),
            smarthost_tls=tls,
            smarthost_username=username,
            smarthost_password=password if username else "",
        ),
        {},
    )


def _take_mailbox(form: Form, draft: Draft) -> tuple[Draft, Faults]:
    faults: Faults = {}
    typed = form.get("mailbox", "").strip()
    local_part, at, domain = typed.rpartition("@") if "@" in typed else (typed, "", "")
    if not typed:
        faults["mailbox"] = because("answer-missing")
    elif at and _domain(domain)[0] != draft.domain:
        faults["mailbox"] = because("mailbox-in-domain", domain=draft.domain)
    else:
        try:
            Address.parse(f"{local_part}@{draft.domain}")
        except AddressFault as fault:
            faults["mailbox"] = because("not-an-address", address=f"{local_part}@{draft.domain}", why=fault)
    person = " ".join(form.get("person", "").split())
    if len(person) > LONGEST_NAME:
        faults["person"] = because("name-too-long", most=LONGEST_NAME)
    # Also where the password is not good yet: it is typed again anyway, the rest should not have to be.
    kept = draft if faults else replace(draft, mailbox=local_part, person=person)
    return kept, faults | new_password_faults(form.get("password", ""), form.get("password_again", ""))
