"""The reader over HTTP: one person's mail, and nothing that acts."""

from __future__ import annotations

import pytest

from appliance.store.flags import SEEN
from appliance.store.mailboxes import list_mailboxes
from appliance.store.messages import snapshot
from web.webmail.reading import PAGE

from .mail import EVIL, file, message
from .support import ANN, MAIL_PASSWORD, Tab, World

MIXED = (
    b"From: Bob <bob@elsewhere.example>\r\nTo: ann@example.org\r\nSubject: Photos\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n"
    b"--a\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"Gr=C3=BC=C3=9Fe\r\n--a\r\nContent-Type: text/html\r\n\r\n<p>formatted</p>\r\n--a--\r\n"
    b'--b\r\nContent-Type: text/html; name="../../evil.html"\r\nContent-Disposition: attachment;'
    b' filename="../../evil.html"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    b"PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==\r\n--b--\r\n"
)


def flags(world: World, mailbox_id: int) -> dict[int, int]:
    return {uid: bits for uid, bits, *_ in world.store.read_now(lambda c: snapshot(c, mailbox_id))}


def inbox(tab: Tab) -> str:
    return tab.get("/mail/", follow_redirects=True).text


def test_mail_is_listed_newest_first_and_read(world: World) -> None:
    mailbox, first = file(world, message("First"))
    _, second = file(world, message("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Good morning, Ann\r\n"))
    ann = world.ann()
    page = inbox(ann)
    assert page.index("Grüße") < page.index("First")
    assert page.count("is-unread") == 2 and "bob@elsewhere.example" in page and "2 unread messages" in page
    page = ann.get(f"/mail/{mailbox}/{second}").text
    assert "Good morning, Ann" in page and "Grüße" in page and "Bob &lt;bob@elsewhere.example&gt;" in page
    assert flags(world, mailbox) == {first: 0, second: SEEN}
    assert inbox(ann).count("is-unread") == 1
    assert ann.post(f"/mail/{mailbox}/{second}/unread", page=f"/mail/{mailbox}/{second}").status_code == 302
    assert flags(world, mailbox) == {first: 0, second: 0}
    while True:  # IDLE hangs on it: the mail process hears that the flag changed
        question = world.mail.heard.get(timeout=10)
        if question["verb"] == "event" and question["event"].get("flagged") == (second,):
            break


def test_what_strangers_write_is_only_text(world: World) -> None:
    mailbox, uid = file(
        world,
        message(
            EVIL, f"{EVIL}\r\n", From=f'"{EVIL}" <evil@elsewhere.example>', Content_Type=f"text/plain; charset={EVIL}"
        ),
    )
    ann = world.ann()
    for page in (inbox(ann), ann.get(f"/mail/{mailbox}/{uid}").text):
        assert "<script>alert" not in page and "<img" not in page.replace('<img src="/static', "")
        assert "&lt;script&gt;" in page


def test_a_formatted_message_is_shown_as_its_text(world: World) -> None:
    html = (
        "<html><head><title>no</title><style>p{color:red}</style></head><body onload=alert(1)>"
        "<p>Dear Ann</p><script>alert(1)</script><img src='http://tracker.example/x.gif' alt='a pigeon'>"
        "<a href='http://evil.example/'>your bank</a></body></html>"
    )
    mailbox, uid = file(world, message("HTML", html, Content_Type="text/html"))
    page = world.ann().get(f"/mail/{mailbox}/{uid}").text
    assert "Dear Ann" in page and "[a pigeon]" in page
    assert "your bank &lt;http://evil.example/&gt;" in page, "a link shows where it leads"
    assert "tracker.example" not in page and "onload" not in page and "color:red" not in page
    assert "stay unloaded" in page


def test_attachments_are_saved_and_never_shown(world: World) -> None:
    mailbox, uid = file(world, MIXED)
    ann = world.ann()
    page = ann.get(f"/mail/{mailbox}/{uid}").text
    assert "Grüße" in page and "formatted" not in page
    assert "evil.html" in page and page.count("/part/") == 1
    answer = ann.get(f"/mail/{mailbox}/{uid}/part/2")
    assert answer.data == b"<script>alert(1)</script>"
    assert answer.mimetype == "application/octet-stream"
    disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith("attachment;") and "/" not in disposition and "\\" not in disposition
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert ann.get(f"/mail/{mailbox}/{uid}/part/3").status_code == 404
    assert ann.get(f"/mail/{mailbox}/{uid}/part/99999999999999999999").status_code == 404


def test_the_whole_message_comes_out_as_it_went_in(world: World) -> None:
    mailbox, uid = file(world, MIXED)
    answer = world.ann().get(f"/mail/{mailbox}/{uid}/whole")
    assert answer.data == b"Return-Path: <bob@elsewhere.example>\r\n" + MIXED
    assert "attachment" in answer.headers["Content-Disposition"]


def test_nobody_reads_anybody_elses_mail(world: World) -> None:
    mailbox, uid = file(world, message("Private"))
    world.app.extensions["merpati"].accounts.add("bob@example.org", MAIL_PASSWORD)
    bob = world.tab()
    bob.post("/mail/sign-in", {"address": "bob@example.org", "password": MAIL_PASSWORD})
    for path in (
        f"/mail/{mailbox}/",
        f"/mail/{mailbox}/{uid}",
        f"/mail/{mailbox}/{uid}/part/0",
        f"/mail/{mailbox}/{uid}/whole",
    ):
        assert bob.get(path).status_code == 404, path
    form_page = bob.get("/mail/").headers["Location"]
    for verb in ("unread", "trash"):
        assert bob.post(f"/mail/{mailbox}/{uid}/{verb}", page=form_page).status_code == 404
    assert flags(world, mailbox) == {uid: 0}


@pytest.mark.parametrize("path", ["/mail/1/999", "/mail/999/", "/mail/1/1/part/0", "/mail/1/0", "/mail/x/"])
def test_what_is_not_there_is_said_plainly(world: World, path: str) -> None:
    answer = world.ann().get(path)
    assert answer.status_code == 404 and "no such page" in answer.text


def test_a_long_list_is_turned_page_by_page(world: World) -> None:
    for i in range(PAGE + 3):
        mailbox, _ = file(world, message(f"Letter {i:03}"))
    ann = world.ann()
    page = inbox(ann)
    assert page.count("Letter") == PAGE and "Letter 052" in page and "Letter 002" not in page
    older = ann.get(f"/mail/{mailbox}/?before=4").text
    assert older.count("Letter") == 3 and "Newest" in older and "Older" not in older
    assert ann.get(f"/mail/{mailbox}/?before=nonsense").status_code == 200
    for number in (10**30, -(10**30)):  # more than SQLite's 64 bits
        assert ann.get(f"/mail/{mailbox}/?before={number}").status_code == 200


def test_deleting_is_into_the_trash_and_out_of_it_for_good(world: World) -> None:
    mailbox, uid = file(world, message("Unwanted"))
    ann = world.ann()
    ann.post(f"/mail/{mailbox}/{uid}/trash", page=f"/mail/{mailbox}/{uid}")
    assert flags(world, mailbox) == {}
    account = world.app.extensions["merpati"].accounts.all()[0]
    mailboxes = world.store.read_now(lambda c: list_mailboxes(c, account.id))
    trash = next(m for m in mailboxes if m.special_use == "\\Trash")
    (moved,) = flags(world, trash.id)
    assert "Unwanted" in ann.get(f"/mail/{trash.id}/").text
    ann.post(f"/mail/{trash.id}/{moved}/trash", page=f"/mail/{trash.id}/{moved}")
    assert flags(world, trash.id) == {}


def test_a_message_that_cannot_be_read_says_so(world: World) -> None:
    mailbox, uid = file(world, message())
    world.store.write_now(lambda tx: tx.connection.execute("UPDATE blobs SET data = zeroblob(length(data))").rowcount)
    page = world.ann().get(f"/mail/{mailbox}/{uid}")
    assert page.status_code == 200 and "the card is failing" in page.text
    assert flags(world, mailbox) == {uid: 0}


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"\xff\xfe\x00", b"Subject: x", b"Content-Type: multipart/mixed\r\n\r\n"]
)
def test_odd_messages_are_shown_somehow(world: World, raw: bytes) -> None:
    mailbox, uid = file(world, raw)
    ann = world.ann()
    assert ann.get(f"/mail/{mailbox}/").status_code == 200
    assert ann.get(f"/mail/{mailbox}/{uid}").status_code == 200


def test_wrong_words_at_the_door(world: World) -> None:
    tab = world.tab()
    answer = tab.post("/mail/sign-in", {"address": ANN, "password": "wrong"})
    assert answer.status_code == 401 and "is not right" in answer.text and f'value="{ANN}"' in answer.text
    answer = tab.post("/mail/sign-in", {"address": EVIL, "password": "wrong"})
    assert answer.status_code == 401 and "<script>alert" not in answer.text
    assert "is not right" in answer.text
