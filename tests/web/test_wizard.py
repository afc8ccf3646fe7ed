"""The wizard over HTTP: from the claim code to a server that runs."""

from __future__ import annotations

import stat
import threading
from collections.abc import Mapping

import pytest

from appliance.config import load
from appliance.store.accounts import administrator_hash, find_alias, setting
from web.sign_in.claim_code import ClaimCode

from .support import ADMIN_PASSWORD, MAIL_PASSWORD, Tab, World

ANSWERS: list[tuple[str, dict[str, str]]] = [
    ("password", {"password": ADMIN_PASSWORD, "password_again": ADMIN_PASSWORD}),
    ("name", {"domain": "example.org", "hostname": ""}),
    ("outbound", {"outbound": "off"}),
    ("mailbox", {"mailbox": "ann", "person": "Ann Other", "password": MAIL_PASSWORD, "password_again": MAIL_PASSWORD}),
]


def claim(world: World) -> Tab:
    tab = world.tab()
    assert tab.post("/setup/claim", {"code": world.claim_code()}).headers["Location"] == "/setup/"
    return tab


def answer(tab: Tab, upto: str = "", answers: Mapping[str, dict[str, str]] | None = None) -> None:
    for name, form in ANSWERS:
        if name == upto:
            return
        got = tab.post(f"/setup/{name}", (answers or {}).get(name, form))
        assert got.status_code == 302, got.text


def test_until_it_is_set_up_there_is_only_the_wizard(empty: World) -> None:
    tab = empty.tab()
    for path in ("/", "/admin/", "/admin/accounts", "/mail/", "/sign-in", "/mail/sign-in", "/nowhere"):
        assert tab.get(path).headers["Location"] == "/setup/", path
    assert tab.get("/setup/").headers["Location"] == "/setup/claim"
    for name, _ in ANSWERS:
        assert tab.get(f"/setup/{name}").headers["Location"] == "/setup/claim"


@pytest.mark.parametrize("ip", ["203.0.113.9", "::ffff:203.0.113.9", "2001:db8::1", "100.64.0.9"])
def test_only_the_house_may_set_it_up(empty: World, ip: str) -> None:
    tab = empty.tab(ip)
    for path in ("/", "/setup/", "/setup/claim", "/admin/"):
        got = tab.get(path)
        assert got.status_code == 403 and "same network" in got.text, path
    assert tab.get("/static/merpati.css").status_code == 200
    token = empty.tab().token("/setup/claim")
    got = tab.client.post(
        "/setup/claim",
        data={"csrf_token": token, "code": empty.claim_code()},
        environ_base={"REMOTE_ADDR": ip},
    )
    assert got.status_code in (400, 403)
    assert empty.claim_code()


def test_whoever_comes_through_a_proxy_may_be_anywhere(empty: World) -> None:
    for header in ("X-Forwarded-For", "Forwarded", "Via"):
        assert empty.tab().get("/setup/claim", headers={header: "203.0.113.9"}).status_code == 403


def test_from_the_code_to_a_server_that_runs(empty: World) -> None:
    tab = claim(empty)
    answer(tab)
    config = load(empty.home / "merpati.yaml")
    assert (config.hostname, config.domains, config.outbound.mode) == ("mail.example.org", ("example.org",), "off")
    assert [question["verb"] for question in empty.mail.asked if question["verb"] == "reload"] == ["reload"]
    assert empty.store.read_now(lambda c: find_alias(c, "postmaster@example.org"))
    # The browser that set it up is signed in, and sees what works and what is missing.
    welcome = tab.get("/admin/welcome")
    assert welcome.status_code == 200
    for sentence in ("works now", "DNS records", "port 25", "v=spf1", "_dmarc.example.org", "fingerprint"):
        assert sentence in welcome.text
    # And the mailbox can be read.
    assert empty.ann().get("/mail/", follow_redirects=True).status_code == 200


def test_afterwards_the_wizard_is_closed(empty: World) -> None:
    tab = claim(empty)
    token = tab.token("/setup/password")
    answer(tab)
    for other in (tab, empty.tab()):
        assert other.get("/setup/").headers["Location"] == "/"
        assert other.get("/setup/claim").headers["Location"] == "/"
    for name in ("claim", "password", "mailbox", "check/name"):
        got = tab.client.post(f"/setup/{name}", data={"csrf_token": tab.token("/admin/accounts")})
        assert got.status_code == 404
    assert tab.client.post("/setup/password", data={"csrf_token": token}).status_code in (400, 404)
    assert not (empty.runtime / "CLAIM.TXT").exists() and not (empty.runtime / "claimed").exists()
    assert empty.store.read_now(lambda c: setting(c, "wizard-draft")) == ""
    # Anybody may come from anywhere now, and has to sign in.
    assert empty.tab("203.0.113.9").get("/admin/").headers["Location"].startswith("/sign-in")


def test_two_browsers_at_once_have_one_winner(empty: World) -> None:
    code = empty.claim_code()
    tabs = [empty.tab(f"192.168.1.{i}") for i in range(1, 4)]
    tokens = [tab.token("/setup/claim") for tab in tabs]
    start = threading.Barrier(len(tabs))
    got: list[tuple[Tab, int]] = []

    def send(tab: Tab, token: str) -> None:
        start.wait()
        answer = tab.client.post(
            "/setup/claim", data={"csrf_token": token, "code": code}, environ_base={"REMOTE_ADDR": tab.ip}
        )
        got.append((tab, answer.status_code))

    threads = [threading.Thread(target=send, args=pair) for pair in zip(tabs, tokens, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for _, status in got) == [302, 409, 409]
    for tab, status in got:
        page = tab.get("/setup/claim")
        if status == 302:
            assert page.headers["Location"] == "/setup/"
        else:
            assert page.status_code == 409 and "Another browser" in page.text
            assert tab.get("/setup/password").headers["Location"] == "/setup/claim"


def test_guesses_are_told_to_wait_and_change_the_code(empty: World) -> None:
    code = empty.claim_code()
    first = empty.tab("192.168.1.1").post("/setup/claim", {"code": "WRONG000"})
    assert first.status_code == 403 and "in 1 seconds" in first.text
    again = empty.tab("192.168.1.1").post("/setup/claim", {"code": code})
    assert again.status_code == 429 and "Wait" in again.text
    for i in range(2, 6):
        last = empty.tab(f"192.168.1.{i}").post("/setup/claim", {"code": "WRONG000"})
    assert "there is a new one now" in last.text
    assert empty.claim_code() != code
    assert empty.tab("192.168.1.9").post("/setup/claim", {"code": code}).status_code == 403


def test_nothing_can_be_answered_out_of_turn(empty: World) -> None:
    tab = claim(empty)
    for name in ("name", "outbound", "mailbox"):
        assert tab.get(f"/setup/{name}").headers["Location"] == "/setup/"
        got = tab.post(f"/setup/{name}", dict(ANSWERS)[name], page="/setup/password")
        assert got.headers["Location"] == "/setup/"
    assert not load(empty.home / "merpati.yaml").is_set_up


def test_back_and_forth_loses_nothing(empty: World) -> None:
    tab = claim(empty)
    answer(tab, "mailbox")
    name = tab.get("/setup/name").text
    assert 'value="example.org"' in name and 'value="mail.example.org"' in name
    assert "A password has been chosen" in tab.get("/setup/password").text
    assert tab.post("/setup/password", {}).headers["Location"] == "/setup/name"
    bad = tab.post("/setup/mailbox", {"mailbox": "ann", "person": "Ann Other", "password": "x", "password_again": "x"})
    assert bad.status_code == 422
    assert 'value="ann"' in bad.text and 'value="Ann Other"' in bad.text and 'value="x"' not in bad.text
    assert 'value="ann"' in tab.get("/setup/mailbox").text
    assert 'value="off" checked' in tab.get("/setup/outbound").text


def test_a_restart_of_the_web_process_loses_no_answer(empty: World) -> None:
    tab = claim(empty)
    answer(tab, "mailbox")
    empty.start()
    cookie = tab.client.get_cookie("merpati")
    assert cookie is not None
    again = empty.tab()
    again.client.set_cookie("merpati", cookie.value)
    assert again.get("/setup/").headers["Location"] == "/setup/mailbox"
    assert again.post("/setup/mailbox", dict(ANSWERS)["mailbox"]).headers["Location"] == "/admin/welcome"
    assert empty.administrator().get("/admin/").status_code == 200


def test_no_password_lies_on_the_card_before_the_set_up_is_done(empty: World) -> None:
    tab = claim(empty)
    smarthost = {
        "outbound": "smarthost",
        "smarthost_host": "smtp.provider.example",
        "smarthost_username": "me",
        "smarthost_password": "provider-secret",
    }
    answer(tab, "mailbox", {"outbound": smarthost})
    tab.post("/setup/mailbox", {"mailbox": "ann", "password": "mailbox-secret", "password_again": "no"})
    everything = b"".join(
        path.read_bytes() for folder in (empty.home, empty.runtime) for path in folder.rglob("*") if path.is_file()
    )
    assert b"smtp.provider.example" in everything
    for secret in (b"provider-secret", b"mailbox-secret", ADMIN_PASSWORD.encode()):
        assert secret not in everything
    # With the set-up it goes where the mail process needs it, for our eyes only.
    assert tab.post("/setup/mailbox", dict(ANSWERS)["mailbox"]).headers["Location"] == "/admin/welcome"
    path = empty.home / "keys" / "smarthost-password"
    assert path.read_text() == "provider-secret" and stat.S_IMODE(path.stat().st_mode) == 0o600
    config = load(empty.home / "merpati.yaml")
    assert config.outbound.smarthost is not None and config.outbound.smarthost.username == "me"


def test_answers_are_checked_while_they_are_typed(empty: World) -> None:
    tab = claim(empty)
    got = tab.post("/setup/check/password", {"password": "short"}, page="/setup/password").get_json()
    assert "at least" in got["faults"]["password"] and "password_again" in got["faults"]
    got = tab.post("/setup/check/name", {"domain": "example.org"}, page="/setup/password").get_json()
    assert got == {"faults": {}, "suggested": {"hostname": "mail.example.org"}}
    stranger = empty.tab()
    assert stranger.post("/setup/check/name", {"domain": "x"}, page="/setup/claim").status_code == 403
    assert empty.store.read_now(administrator_hash) is None


def test_what_goes_wrong_at_the_end_is_said_and_can_be_tried_again(
    empty: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from appliance.mail.reason import because
    from appliance.setup.set_up import SetupFault
    from web.wizard import finish

    def fails(*_: object) -> None:
        raise SetupFault(because("storage-low"))

    tab = claim(empty)
    answer(tab, "mailbox")
    with monkeypatch.context() as patched:
        patched.setattr(finish, "set_up", fails)
        got = tab.post("/setup/mailbox", dict(ANSWERS)["mailbox"])
    assert got.status_code == 422 and "nearly full" in got.text
    assert tab.post("/setup/mailbox", dict(ANSWERS)["mailbox"]).headers["Location"] == "/admin/welcome"


def test_a_mail_process_that_does_not_start_is_told_on_the_last_page(
    empty: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from web.wizard import views

    monkeypatch.setattr(views, "MAIL_STARTS_WITHIN_S", 0.0)
    empty.mail.silent()
    tab = claim(empty)
    answer(tab)
    assert "does not answer" in tab.get("/admin/welcome").text


def test_the_code_is_printed_when_the_web_starts(empty: World, caplog: pytest.LogCaptureFixture) -> None:
    (empty.runtime / "CLAIM.TXT").unlink()
    empty.start()
    assert empty.claim_code() in caplog.text
    assert ClaimCode(empty.runtime).ensure() == empty.claim_code()


def test_a_set_up_without_a_browser_closes_the_wizard_too(empty: World) -> None:
    assert empty.claim_code()
    empty.set_up()
    assert empty.tab().get("/setup/claim").headers["Location"] == "/"
    empty.start()
    assert list(empty.runtime.iterdir()) == []


def test_what_was_typed_is_escaped(empty: World) -> None:
    tab = claim(empty)
    answer(tab, "name")
    got = tab.post("/setup/name", {"domain": '"><script>alert(1)</script>', "hostname": "<b>"})
    assert got.status_code == 422
    assert "<script>alert" not in got.text and "<b>" not in got.text and "&lt;script&gt;" in got.text


def test_the_wizard_speaks_two_languages(empty: World) -> None:
    page = empty.tab().get("/setup/claim", headers={"Accept-Language": "id,en;q=0.5"})
    assert '<html lang="id">' in page.text and "Kode klaim" in page.text
    tab = empty.tab()
    got = tab.post("/language", {"language": "id", "back": "/setup/claim"}, page="/setup/claim")
    assert got.headers["Location"] == "/setup/claim"
    assert "Kode klaim" in tab.get("/setup/claim", headers={"Accept-Language": "en"}).text
