"""Two languages: every sentence that people read has its Indonesian, and what is compiled is what was translated."""

from __future__ import annotations

import gettext
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask_babel import force_locale

from appliance.config import edit
from appliance.mail.reason import because
from appliance.setup.records import records
from appliance.status.problems import WORDS, found
from appliance.status.snapshot import Problem
from appliance.store.changes.mailboxes import FIRST_MAILBOXES
from appliance.store.mailboxes import INBOX
from web import catalogue
from web.admin.panels import RECORD_REASONS
from web.webmail.views import CALLED
from web.words import coded, octets, say, say_problem, say_sentence

from .support import World

AGAIN = "run `python -m web.catalogue`, translate what is missing in the .po file, and run it again"


@pytest.mark.parametrize("locale", catalogue.LOCALES)
def test_the_catalogue_holds_what_the_pages_say(locale: str) -> None:
    """No sentence is missing and none is left over."""
    have = {message.id for message in catalogue.read(locale) if message.id}
    want = {message.id for message in catalogue.gathered() if message.id}
    assert want - have == set(), AGAIN
    assert have - want == set(), AGAIN


def test_everything_is_translated() -> None:
    assert catalogue.missing(catalogue.read("id")) == [], AGAIN


@pytest.mark.parametrize("locale", catalogue.LOCALES)
def test_what_is_compiled_is_what_was_translated(locale: str) -> None:
    with open(catalogue.po_path(locale).with_suffix(".mo"), "rb") as file:
        compiled = gettext.GNUTranslations(file)
    for message in catalogue.read(locale):
        ids, strings = _texts(message.id), _texts(message.string)
        if len(ids) == 1 and ids[0]:
            assert compiled.gettext(ids[0]) == (strings[0] or ids[0]), AGAIN
        elif len(ids) == 2:
            for n, form in ((1, strings[0]), (2, strings[-1])):
                assert compiled.ngettext(ids[0], ids[1], n) == (form or ids[n - 1]), AGAIN


def test_gathering_again_changes_nothing(tmp_path: Path) -> None:
    catalogue.write(catalogue.read("id"), tmp_path / "messages.po")
    assert (tmp_path / "messages.po").read_bytes() == catalogue.po_path("id").read_bytes()


def _texts(texts: object) -> tuple[str, ...]:
    """One text, or singular and plural."""
    return tuple(map(str, texts)) if isinstance(texts, (tuple, list)) else (str(texts or ""),)


_NAMED = re.compile(r"\{(\w+)\}|%\((\w+)\)s")


def test_translations_name_what_the_sentence_names() -> None:
    """A parameter that is lost, new or misspelt would be a fault on the page."""
    for message in catalogue.read("id"):
        ids = _texts(message.id)
        if not ids[0]:
            continue
        for string in _texts(message.string):
            assert set(_NAMED.findall(string)) == set(_NAMED.findall(ids[-1])), message.id
            assert string.count("`") == ids[-1].count("`"), message.id


def test_records_and_mailboxes_are_in_the_catalogue(world: World) -> None:
    config = world.app.extensions["merpati"].config
    assert {record.why for record in records(world.home, config)} <= set(RECORD_REASONS)
    assert {name: use for use, name in CALLED.items()} == {name: use for name, use in FIRST_MAILBOXES if name != INBOX}


@pytest.mark.parametrize(
    ("english", "indonesian"),
    [
        ("There is no account or alias x@y.example.", "Tidak ada akun atau alias x@y.example."),
        (
            "x@@y is not a mail address: there is no @ in the address.",
            "x@@y bukan alamat surat: tidak ada @ dalam alamat itu.",
        ),
        (
            "It cannot be delivered to b@x.example. There is no domain x.example. Is it spelt right?",
            "Pesan tidak bisa diantar ke b@x.example. Tidak ada domain x.example. Apakah ejaannya benar?",
        ),
        ("451 4.7.1 Greylisted", "451 4.7.1 Greylisted"),
        ("", ""),
        ("There is {no} %(such)s %s wording", "There is {no} %(such)s %s wording"),
    ],
)
def test_a_finished_sentence_is_translated_as_far_as_it_is_known(world: World, english: str, indonesian: str) -> None:
    with world.app.test_request_context(), force_locale("id"):
        assert say_sentence(english) == indonesian
    with world.app.test_request_context(), force_locale("en"):
        assert say_sentence(english) == english


def test_a_reason_is_said_in_the_language_of_the_page(world: World) -> None:
    reason = because("not-an-address", address="x", why="there is no @ in the address")
    with world.app.test_request_context(), force_locale("id"):
        assert say(reason) == "x bukan alamat surat: tidak ada @ dalam alamat itu."
    with world.app.test_request_context(), force_locale("en"):
        assert say(reason) == reason.for_owner


@pytest.mark.parametrize("id", list(WORDS))
def test_a_problem_is_said_in_the_language_of_the_page(world: World, id: str) -> None:
    names = _NAMED.findall(WORDS[id].what + WORDS[id].do)
    params: dict[str, Any] = {name: "<x>" for name, _ in names if name}
    event = found(id, 0.0, key="key", **params)
    problem = Problem(
        id=event.id, what=event.what, do=event.do, severity=event.severity, since=0.0, params=event.params
    )
    with world.app.test_request_context(), force_locale("en"):
        assert say_problem(problem) == (event.what, event.do)
    with world.app.test_request_context(), force_locale("id"):
        what, do = say_problem(problem)
        assert what != event.what and do != event.do
        assert what.count("<x>") == event.what.count("<x>")


def test_an_unknown_problem_is_said_as_it_came(world: World) -> None:
    problem = Problem(
        id="new-kind", what="What?", do="That.", severity=found("bounced", 0, recipient="x").severity, since=0
    )
    with world.app.test_request_context(), force_locale("id"):
        assert say_problem(problem) == ("What?", "That.")


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 KB"),
        (25_000_000, "25.0 MB"),
        (250_000_000, "250 MB"),
        (32_000_000_000, "32.0 GB"),
        (3_200_000_000_000, "3200 GB"),
    ],
)
def test_sizes_are_said_as_people_say_them(size: int, words: str) -> None:
    assert octets(size) == words


def test_times_are_in_the_owners_zone_and_language(world: World) -> None:
    edit(world.home / "merpati.yaml", {"locale.timezone": "Asia/Jakarta"})
    world.mail.runs()
    tab = world.administrator()
    assert world.mail.state is not None
    page = tab.get("/admin/system", headers={"Accept-Language": "id"}).text
    shown = re.search(r'<time datetime="([^"]+)" data-local>([^<]+)</time>', page)
    assert shown is not None and shown.group(1).endswith("+00:00")
    utc = datetime.fromisoformat(shown.group(1))
    assert shown.group(2).endswith(f"{utc + timedelta(hours=7):%H:%M}")


@pytest.mark.parametrize(
    ("sentence", "html"),
    [
        ("run `merpati doctor`.", "run <code>merpati doctor</code>."),
        ("a < b", "a &lt; b"),
        ("`<b>`", "<code>&lt;b&gt;</code>"),
        ("one ` alone", "one ` alone"),
    ],
)
def test_commands_stand_apart_and_nothing_is_taken_as_html(sentence: str, html: str) -> None:
    assert str(coded(sentence)) == html
