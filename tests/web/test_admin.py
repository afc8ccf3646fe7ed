"""The owner's pages over HTTP."""

from __future__ import annotations

import re
import time

import msgspec
import pytest

from appliance.config import ConfigFault, edit, load
from appliance.status.card import Card, Day, Disk, Health, Hidden, Kind, Life
from appliance.status.card_words import HIDDEN
from appliance.status.events import Accepted, Attempted, CardMeasured, Outcome, Severity
from appliance.status.snapshot import Delivery, Listener, Problem, Queue, Snapshot, Storage, fold
from appliance.status.trace import TraceFile
from appliance.store.changes.queue import PutOff, settle
from appliance.store.queue_rows import State, all_recipients

from .mail import EVIL, enqueue
from .support import ANN, World


def recipients(world: World) -> list[tuple[State, float]]:
    return [(r.state, r.next_attempt_at) for r in world.store.read_now(all_recipients)]


def addresses(world: World) -> list[str]:
    return [account.address for account in world.app.extensions["merpati"].accounts.all()]


def told(world: World, kind: str) -> None:
    """Waits until the mail process has heard of it."""
    while True:
        question = world.mail.heard.get(timeout=10)
        if question["verb"] == "event" and question["event"]["type"] == kind:
            return


# -- overview


def test_the_overview_says_it_in_one_sentence_and_shows_the_rest(world: World) -> None:
    now = time.time()
    world.mail.runs(
        queue=Queue(waiting=3, deferred=2, held=1),
        storage=Storage(free_octets=12_300_000_000, total_octets=32_000_000_000),
        problems=(
            Problem(id="bounced", what="w", do="d", severity=Severity.NEEDS_YOU, since=now, params={"recipient": EVIL}),
        ),
        deliveries=(
            Delivery(at=now, trace_id="t9", direction="in", recipient=ANN, where="INBOX", outcome=Outcome.DELIVERED),
            Delivery(at=now, trace_id="t8", direction="out", recipient=EVIL, where=EVIL, outcome=Outcome.FAILED),
        ),
    )
    page = world.administrator().get("/admin/").text
    assert "something needs you" in page
    assert re.search(r"<b>3</b>.*<b>2</b>.*<b>1</b>.*<b>12.3 GB</b>", page, re.DOTALL)
    assert f"Filed for {ANN} in INBOX" in page and "/admin/trace?q=t9" in page
    assert 'data-rhythm="slow"' in page and "A destination is not answering" in page
    assert "<script>alert" not in page and "<img src=x" not in page
    assert page.count("&lt;script&gt;") >= 3


MB = 1_000_000
CARD = Card(
    disk=Disk(name="mmcblk0", kind=Kind.SD, size_octets=32_000 * MB),
    days=(
        Day(
            day="2026-08-24",
            seconds=40_000,
            written_octets=21 * MB,
            flushes=310,
            mail_octets=12 * MB,
            logs_octets=2 * MB,
        ),
        Day(day="2026-08-23", seconds=86_400, written_octets=None, flushes=None, mail_octets=3_400_000),
    ),
    per_day=Day(day="", written_octets=45 * MB, flushes=640),
    life=Life(years_least=10, years_most=20, endurance_octets=9_600_000 * MB, stated=False),
)
CARD_ROWS = {
    "en": [
        ["24 Aug", "12.0 MB", "0 B", "2.0 MB", "7.0 MB", "21.0 MB", "310"],
        ["23 Aug", "3.4 MB", "0 B", "0 B", "–", "–", "–"],
    ],
    "id": [
        ["24 Agu", "12.0 MB", "0 B", "2.0 MB", "7.0 MB", "21.0 MB", "310"],
        ["23 Agu", "3.4 MB", "0 B", "0 B", "–", "–", "–"],
    ],
}
CARD_WORDS = {
    "en": (
        "written to the card today",
        "At this rate the card lasts for at least 10 years, and perhaps for more than 20.",
        "The rest of the system",
    ),
    "id": (
        "ditulis ke kartu hari ini",
        "Dengan laju ini kartu bertahan paling sedikit 10 tahun, dan mungkin lebih dari 20.",
        "Sistem selebihnya",
    ),
}


@pytest.mark.parametrize("language", CARD_ROWS)
def test_the_overview_says_what_the_card_takes_and_how_long_it_lasts(world: World, language: str) -> None:
    world.mail.runs(card=CARD)
    tab = world.administrator()
    tab.client.set_cookie("language", language)
    page = tab.get("/admin/").text
    assert re.search(r"<b>21.0 MB</b>.*<b>45.0 MB</b>.*<b>640</b>", page, re.DOTALL)
    for words in CARD_WORDS[language]:
        assert words in page
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(<td>.*?)</tr>", page)]
    assert rows == CARD_ROWS[language]
    news = tab.get("/admin/news").json
    assert "45.0 MB" in news["parts"]["panel"]


WORN = {
    "en": "The card is nearly worn out: it says that 90 percent of its life is used, or more.",
    "id": "Kartu hampir aus: ia mengatakan bahwa 90 persen umurnya sudah terpakai, atau lebih.",
}


@pytest.mark.parametrize("language", WORN)
def test_a_card_that_nears_its_end_is_a_problem_on_the_page(world: World, language: str) -> None:
    worn = msgspec.structs.replace(CARD, life=None, health=Health(life_used_percent=(90, 100)))
    assert world.mail.state is not None
    world.mail.state = fold(world.mail.state, CardMeasured(at=time.time(), card=worn))
    tab = world.administrator()
    tab.client.set_cookie("language", language)
    page = tab.get("/admin/").text
    assert WORN[language] in page
    assert re.search(r'id="light-alert" data-rhythm="slow"', page)


@pytest.mark.parametrize("hidden", Hidden)
def test_where_nothing_can_be_told_of_the_card_the_page_says_why(world: World, hidden: Hidden) -> None:
    world.mail.runs(card=Card(hidden=hidden, days=(Day(day="2026-08-24", mail_octets=MB),)))
    page = world.administrator().get("/admin/").text
    assert HIDDEN[hidden] in page
    assert re.findall(r"<td>(.*?)</td>", page) == ["24 Aug", "1.0 MB", "0 B", "0 B", "–", "–", "–"]


def test_silence_is_shown_as_a_fault(world: World) -> None:
    tab = world.administrator()
    stale = Snapshot(at=time.time() - 16, started_at=0, phase=world.mail.state.phase if world.mail.state else None)  # type: ignore[arg-type]
    for state in (None, stale):
        world.mail.state = state
        page = tab.get("/admin/").text
        assert "does not answer" in page
        assert re.search(r'id="light-alert" data-rhythm="fast"', page) and 'id="light-power" data-rhythm="off"' in page


# -- accounts


def test_an_account_is_added_and_can_sign_in(world: World) -> None:
    tab = world.administrator()
    got = tab.post(
        "/admin/accounts/add", {"address": "Bob", "name": EVIL, "password": "letters come home"}, page="/admin/accounts"
    )
    assert got.headers["Location"] == "/admin/accounts"
    page = tab.get("/admin/accounts").text
    assert "bob@example.org can receive" in page and "<script>alert" not in page
    told(world, "AccountsChanged")
    bob = world.tab()
    got = bob.post("/mail/sign-in", {"address": "bob@example.org", "password": "letters come home"})
    assert got.headers["Location"] == "/mail/"


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"address": "bob", "password": "short"}, "at least"),
        ({"address": "bob@elsewhere.example", "password": "letters come home"}, "not in a domain of this server"),
        ({"address": "b b", "password": "letters come home"}, "not a mail address"),
        ({"address": "ann", "password": "letters come home"}, "already"),
        ({"address": EVIL, "password": "letters come home"}, "not a mail address"),
        ({}, "not a mail address"),
    ],
)
def test_what_is_wrong_with_an_account_is_said(world: World, form: dict[str, str], sentence: str) -> None:
    tab = world.administrator()
    tab.post("/admin/accounts/add", form, page="/admin/accounts")
    page = tab.get("/admin/accounts").text
    assert sentence in page and "<script>alert" not in page
    assert addresses(world) == [ANN]


def test_an_account_is_removed_only_by_who_is_sure(world: World) -> None:
    tab = world.administrator()
    page = f"/admin/accounts/{ANN}"
    assert "cannot be brought back" in tab.get(page).text
    got = tab.post("/admin/accounts/remove", {"address": ANN}, page=page)
    assert got.headers["Location"] == page and addresses(world) == [ANN]
    assert "tick the box" in tab.get(page).text
    assert tab.post("/admin/accounts/remove", {"address": ANN, "sure": "yes"}, page=page).status_code == 302
    assert addresses(world) == []
    assert tab.get(page).status_code == 404
    tab.post("/admin/accounts/remove", {"address": ANN, "sure": "yes"}, page="/admin/accounts")
    assert "There is no account" in tab.get("/admin/accounts").text


def test_a_password_is_changed(world: World) -> None:
    tab = world.administrator()
    page = f"/admin/accounts/{ANN}"
    tab.post("/admin/accounts/password", {"address": ANN, "password": "short"}, page=page)
    assert "at least" in tab.get("/admin/accounts").text
    tab.post("/admin/accounts/password", {"address": ANN, "password": "another one now"}, page=page)
    assert "is changed" in tab.get("/admin/accounts").text
    got = world.tab().post("/mail/sign-in", {"address": ANN, "password": "another one now"})
    assert got.headers["Location"] == "/mail/"


# -- aliases


def test_aliases_are_set_changed_and_removed(world: World) -> None:
    tab = world.administrator()

    def aliases() -> dict[str, tuple[str, ...]]:
        found = world.app.extensions["merpati"].accounts.list_aliases()
        return {a.address: a.targets for a in found if not a.address.startswith(("postmaster", "abuse"))}

    tab.post("/admin/aliases/set", {"address": "info", "targets": ANN}, page="/admin/aliases")
    tab.post(
        "/admin/aliases/set", {"address": "@example.org", "targets": f"{ANN}, bob@x.example"}, page="/admin/aliases"
    )
    assert aliases() == {"info@example.org": (ANN,), "@example.org": (ANN, "bob@x.example")}
    page = tab.get("/admin/aliases").text
    assert "everything else in this domain" in page and "bob@x.example" in page
    tab.post("/admin/aliases/set", {"address": "info@example.org", "targets": "c@x.example"}, page="/admin/aliases")
    tab.post("/admin/aliases/remove", {"address": "@example.org"}, page="/admin/aliases")
    assert aliases() == {"info@example.org": ("c@x.example",)}
    for form, sentence in (
        ({"address": "ann", "targets": "x@y.example"}, "already"),
        ({"address": "new", "targets": ""}, "lead to"),
        ({"address": "new", "targets": EVIL}, "not a mail address"),
        ({"address": "@elsewhere.example", "targets": ANN}, "not in a domain"),
    ):
        tab.post("/admin/aliases/set", form, page="/admin/aliases")
        page = tab.get("/admin/aliases").text
        assert sentence in page and "<script>alert" not in page
    tab.post("/admin/aliases/remove", {"address": "none@example.org"}, page="/admin/aliases")
    assert "There is no account or alias" in tab.get("/admin/aliases").text


# -- the queue


def test_the_queue_says_why_each_message_waits(world: World) -> None:
    world_config(world, "direct")
    enqueue(world, subject=EVIL, reverse_path="")
    (recipient,) = world.store.read_now(all_recipients)
    reply = f"451 4.7.1 Greylisted {EVIL}"
    world.store.write_now(settle(put_off=[PutOff(recipient.id, reply, "mx.elsewhere.example", time.time() + 600)]))
    world.store.write_now(lambda tx: tx.connection.execute("UPDATE queue_recipients SET attempts = 2").rowcount)
    page = world.administrator().get("/admin/queue").text
    assert "asked to try again later" in page and "451 4.7.1 Greylisted" in page and "2 tries so far" in page
    assert "this server itself" in page and "bob@elsewhere.example" in page and "Next try:" in page
    assert "<script>alert" not in page and "<img src=x" not in page


def world_config(world: World, mode: str) -> None:
    edit(world.home / "merpati.yaml", {"outbound.mode": mode})


def test_a_message_is_held_released_sent_now_and_deleted(world: World) -> None:
    tab = world.administrator()
    number = enqueue(world)

    def do(verb: str, **form: str) -> str:
        assert tab.post(f"/admin/queue/{number}/{verb}", form, page="/admin/queue").status_code == 302
        return tab.get("/admin/queue").text

    assert "is held" in do("hold")
    assert recipients(world)[0][0] is State.HELD
    told(world, "QueueChanged")
    assert "not in the queue any more, or was so already" in do("hold")
    assert "is released" in do("release")
    assert recipients(world) == [(State.WAITING, 0.0)]
    assert "tried again now" in do("flush")
    assert "tick the box" in do("remove") and recipients(world)
    assert "is deleted" in do("remove", sure="yes")
    assert recipients(world) == []


def test_everything_is_sent_now(world: World) -> None:
    world_config(world, "direct")
    tab = world.administrator()
    tab.post("/admin/queue/flush", page="/admin/accounts")
    assert "Nothing is waiting" in tab.get("/admin/queue").text
    enqueue(world)
    tab.post("/admin/queue/flush", page="/admin/queue")
    assert recipients(world) == [(State.WAITING, 0.0)]
    told(world, "QueueChanged")


def test_verbs_that_do_not_exist_do_nothing(world: World) -> None:
    tab = world.administrator()
    enqueue(world)
    assert tab.post("/admin/queue/1/explode", page="/admin/queue").status_code == 404
    assert tab.get("/admin/queue/1/remove").status_code == 405
    assert len(recipients(world)) == 1


# -- where is my mail?


def test_a_story_is_told_in_order_with_its_technical_lines(world: World) -> None:
    now = time.time()
    trace = TraceFile(world.home / "derived" / "trace.db")
    trace.write(
        [
            Accepted(
                at=now - 10,
                trace_id="q1w2e3",
                reverse_path=ANN,
                recipients=("bob@elsewhere.example",),
                size_octets=1234,
                ip="192.0.2.7",
                helo=EVIL,
                protocol="ESMTPSA",
                tls="TLSv1.3",
                account=ANN,
                message_id="<abc@example.org>",
                subject=EVIL,
            ),
            Attempted(
                at=now - 5,
                trace_id="q1w2e3",
                recipient="bob@elsewhere.example",
                host="mx.elsewhere.example",
                outcome=Outcome.DELIVERED,
                reply=f"250 2.0.0 Ok {EVIL}",
                sentence="",
                tls="TLSv1.3",
            ),
        ]
    )
    trace.close()
    tab = world.administrator()
    for asked in ("bob@elsewhere.example", "abc@example.org", "q1w2e3", "alert("):
        page = tab.get("/admin/trace", query_string={"q": asked}).text
        assert page.count("<article") == 1, asked
        assert page.index("ESMTPSA") < page.index("250 2.0.0 Ok")
        assert "<script>alert" not in page and "<img src=x" not in page
    unknown = tab.get("/admin/trace", query_string={"q": f"unknown {EVIL}"}).text
    assert "Nothing is known" in unknown and "<script>alert" not in unknown
    assert tab.get("/admin/trace").text.count("<article") == 1
    assert {"verb": "trace-sync"} in world.mail.asked


# -- what to publish, and the system


def test_dns_records_can_be_copied_one_by_one(world: World) -> None:
    page = world.administrator().get("/admin/dns").text
    for piece in (
        'data-copy="example.org"',
        'data-copy="10 mail.example.org."',
        'data-copy="_dmarc.example.org"',
        "v=DKIM1; k=rsa",
        "v=DKIM1; k=ed25519",
        "v=spf1",
    ):
        assert piece in page


def test_the_system_page_shows_what_is_open(world: World) -> None:
    world.mail.runs(
        listeners=(
            Listener(name="smtp", port=2525, ok=True),
            Listener(name="imaps", port=2993, ok=False, detail=EVIL),
        ),
        storage=Storage(free_octets=1_000_000_000, total_octets=32_000_000_000),
    )
    page = world.administrator().get("/admin/system").text
    assert "1.0 GB of 32.0 GB free" in page and "2525" in page and "mail.example.org" in page
    assert "<script>alert" not in page


def test_how_mail_leaves_can_be_changed_at_any_time(world: World) -> None:
    tab = world.administrator()
    smarthost = {
        "outbound": "smarthost",
        "smarthost_host": "smtp.provider.example",
        "smarthost_port": "587",
        "smarthost_tls": "starttls",
        "smarthost_username": "me",
        "smarthost_password": "theirs",
    }
    assert 'value="off" checked' in tab.get("/admin/sending").text
    bad = tab.post("/admin/sending", smarthost | {"smarthost_port": "0"})
    assert bad.status_code == 422 and "1 to 65535" in bad.text and "theirs" not in bad.text
    assert load(world.home / "merpati.yaml").outbound.mode == "off"
    assert tab.post("/admin/sending", smarthost).headers["Location"] == "/admin/system"
    assert {"verb": "reload"} in world.mail.asked
    secret = world.home / "keys" / "smarthost-password"
    assert secret.read_text() == "theirs"
    assert "leaves through smtp.provider.example" in tab.get("/admin/system").text
    # Passing by keeps the password; another user has another one; without a user there is none.
    assert "theirs" not in tab.get("/admin/sending").text
    tab.post("/admin/sending", smarthost | {"smarthost_password": "", "smarthost_port": "2587"})
    relay = load(world.home / "merpati.yaml").outbound.smarthost
    assert relay is not None and (relay.port, relay.username, relay.password_file) == (
        2587,
        "me",
        "keys/smarthost-password",
    )
    assert secret.read_text() == "theirs"
    bad = tab.post("/admin/sending", smarthost | {"smarthost_password": "", "smarthost_username": "you"})
    assert bad.status_code == 422
    tab.post("/admin/sending", {"outbound": "direct"})
    config = load(world.home / "merpati.yaml")
    assert config.outbound.mode == "direct" and config.outbound.smarthost == relay
    tab.post("/admin/sending", smarthost | {"smarthost_password": "", "smarthost_username": ""})
    relay = load(world.home / "merpati.yaml").outbound.smarthost
    assert relay is not None and (relay.username, relay.password_file) == (None, None)


def test_a_mistake_in_the_settings_keeps_the_last_good_ones(world: World) -> None:
    tab = world.administrator()
    (world.home / "merpati.yaml").write_text("hostname: [this, is, no, name]\n")
    assert tab.get("/admin/").status_code == 200
    assert world.tab().get("/", headers={"Host": "mail.example.org"}).status_code == 200
    with pytest.raises(ConfigFault, match="hostname"):
        world.start()


def test_languages(world: World) -> None:
    tab = world.administrator()
    tab.post("/language", {"language": "id", "back": "/admin/"}, page="/admin/accounts")
    page = tab.get("/admin/").text
    assert "Antrean" in page and "Semua baik" in page
    tab.post("/language", {"language": "xx", "back": "/admin/"}, page="/admin/accounts")
    assert '<html lang="id">' in tab.get("/admin/").text
