"""An open dashboard is told what happens, and only a few of them keep a thread each."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.status.events import Phase
from appliance.status.snapshot import Snapshot
from web.admin import live
from web.admin.live import MOST_STREAMS, Feed

from .support import FakeMail, World


def snapshot(started_at: float, flashes: int = 0) -> Snapshot:
    return Snapshot(at=4e9, started_at=started_at, phase=Phase.RUNNING, mail_flashes=flashes)


@pytest.fixture
def mail() -> Iterator[FakeMail]:
    mail = FakeMail()
    mail.state = snapshot(1)
    yield mail
    mail.told.put(None)


def test_a_stream_begins_with_the_state_and_goes_on_with_each_change(mail: FakeMail) -> None:
    feed = Feed(mail)
    assert feed.join()
    stream = feed.follow()
    assert next(stream) == snapshot(1)
    mail.told.put(snapshot(1, flashes=1))
    seen = next(state for state in stream if state is not None and state.mail_flashes)
    assert seen.mail_flashes == 1
    feed.leave()


def test_there_are_only_so_many_places_and_they_are_given_back(mail: FakeMail) -> None:
    feed = Feed(mail)
    assert all(feed.join() for _ in range(MOST_STREAMS))
    assert not feed.join()
    feed.leave()
    assert feed.join()
    for _ in range(MOST_STREAMS):
        feed.leave()


def test_one_follower_serves_all(mail: FakeMail) -> None:
    feed = Feed(mail)
    streams = []
    for _ in range(MOST_STREAMS):
        assert feed.join()
        streams.append(feed.follow())
    for stream in streams:
        next(stream)
    mail.told.put(snapshot(1, flashes=7))
    for stream in streams:
        assert next(s for s in stream if s is not None and s.mail_flashes).mail_flashes == 7
    assert mail.followers == 1
    for _ in streams:
        feed.leave()


def test_silence_is_told_as_silence(mail: FakeMail) -> None:
    feed = Feed(mail)
    assert feed.join()
    stream = feed.follow()
    assert next(stream) is not None
    mail.silent()
    mail.told.put(None)  # the line breaks
    assert next(state is None for state in stream if state is None)
    feed.leave()


def test_a_quiet_stream_shows_that_it_lives(mail: FakeMail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.01)
    monkeypatch.setattr(live, "GATHER_S", 0.0)
    feed = Feed(mail)
    assert feed.join()
    assert list(itertools.islice(feed.follow(), 5)) == [snapshot(1)] * 5
    feed.leave()


def test_a_stream_ends_some_time(mail: FakeMail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LONGEST_S", 0.0)
    feed = Feed(mail)
    assert feed.join()
    assert list(feed.follow()) == [snapshot(1)]
    feed.leave()


def test_a_browser_that_has_left_gives_its_place_back(mail: FakeMail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK_EVERY_S", 0.01)
    feed = Feed(mail)
    left = threading.Event()
    assert feed.join()
    stream = feed.follow(left.is_set)
    assert next(stream) == next(stream) == snapshot(1)
    left.set()
    assert len(list(stream)) <= 1  # what was on its way already
    feed.leave()


def test_closing_ends_every_stream_and_takes_no_more(mail: FakeMail) -> None:
    feed = Feed(mail)
    assert feed.join()
    ended = threading.Event()

    def look() -> None:
        with live.place(feed):
            for _ in feed.follow():
                looking.set()
        ended.set()

    looking = threading.Event()
    threading.Thread(target=look).start()
    assert looking.wait(10)
    feed.close()
    assert ended.wait(10)
    assert not feed.join()


def test_the_page_is_told_over_http(world: World) -> None:
    tab = world.administrator()
    answer = tab.client.get("/admin/stream", environ_base={"REMOTE_ADDR": "127.0.0.1"})
    assert answer.mimetype == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-store" and "Content-Security-Policy" in answer.headers
    lines = iter(answer.response)
    assert _text(next(lines)).startswith("retry:")
    news = json.loads(_text(next(lines)).removeprefix("data: "))
    assert news["lights"]["power"]["rhythm"] == "steady"
    assert "All is well" in news["parts"]["verdict"]
    answer.close()
    # The place was given back: as many as ever can look.
    feed: Feed = world.app.extensions["merpati"].feed
    assert all(feed.join() for _ in range(MOST_STREAMS))
    busy = tab.get("/admin/stream")
    assert busy.status_code == 503
    assert tab.get("/admin/news").get_json()["flashes"] == 0
    for _ in range(MOST_STREAMS):
        feed.leave()


def test_a_stream_ends_with_the_session(world: World) -> None:
    tab = world.administrator()
    answer = tab.client.get("/admin/stream", environ_base={"REMOTE_ADDR": "127.0.0.1"})
    lines = iter(answer.response)
    next(lines)
    assert _text(next(lines)).startswith("data:")
    world.app.extensions["merpati"].accounts.set_administrator_password("quite another one")
    world.mail.told.put(snapshot(1, flashes=1))
    rest = [_text(line) for line in lines]
    assert rest[-1].startswith("event: gone")
    answer.close()


def test_nobody_else_is_told(world: World) -> None:
    for tab in (world.tab(), world.ann()):
        assert tab.get("/admin/stream").status_code == 401
        assert tab.get("/admin/news").status_code == 401


def _text(line: object) -> str:
    return line.decode() if isinstance(line, bytes) else str(line)


def test_the_page_and_the_script_know_the_same_parts() -> None:
    """What the news carry is what the page holds."""
    templates = Path(live.__file__).parent.parent / "templates" / "admin" / "dashboard.html"
    page = templates.read_text()
    assert 'id="verdict"' in page and 'id="panel"' in page and "light-{{ light.name }}" in page
