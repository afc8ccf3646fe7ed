"""What people read: the language of the page, reasons as sentences in it, times and sizes.

English is the language of the source; `translations/` holds the others. A `Reason` is translated by its wording, and a
sentence that was already filled in elsewhere (a trace, a status) by finding the wording that it was made from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from zoneinfo import ZoneInfo

from flask import Flask, g, request
from flask_babel import Babel, format_date, format_datetime, get_locale, gettext
from markupsafe import Markup, escape

from appliance.mail.reason import WORDINGS, Reason, fill
from appliance.status.problems import WORDS as PROBLEM_WORDS
from appliance.status.snapshot import Problem

LANGUAGES = {"en": "English", "id": "Bahasa Indonesia"}
LANGUAGE_COOKIE = "language"
LONGEST_SENTENCE = 2000  # characters; what other servers said may be in it, and matching takes its time


def set_up_words(app: Flask) -> None:
    app.config.update(BABEL_TRANSLATION_DIRECTORIES="translations", BABEL_DEFAULT_LOCALE="en")
    Babel(app, locale_selector=language)
    app.add_template_filter(say)
    app.add_template_filter(say_sentence)
    app.add_template_filter(say_problem)
    app.add_template_filter(coded)
    app.add_template_filter(short_time)
    app.add_template_filter(iso_time)
    app.add_template_filter(octets)
    app.add_template_filter(short_day)
    app.jinja_env.globals.update(LANGUAGES=LANGUAGES, language=language)


def language() -> str:
    """What was chosen on a page, else what the browser prefers, else what merpati.yaml says."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return chosen
    preferred = request.accept_languages.best_match(list(LANGUAGES))
    config = g.get("config")
    return preferred or (config.locale.language if config else "en")


def say(reason: Reason) -> str:
    return fill(gettext(WORDINGS[reason.id].owner), _params(reason.params))


def say_problem(problem: Problem) -> tuple[str, str]:
    """(what is wrong, what to do)."""
    words = PROBLEM_WORDS.get(problem.id.partition(":")[0])
    if words is None:
        return say_sentence(problem.what), say_sentence(problem.do)
    try:
        return gettext(words.what).format_map(problem.params), gettext(words.do).format_map(problem.params)
    except (KeyError, ValueError):  # another version's parameters: its own sentence will do
        return problem.what, problem.do


def _params(params: Mapping[str, str]) -> dict[str, str]:
    """Some name a sentence of ours inside the sentence."""
    return {name: say_sentence(value) if name in ("why", "sentence") else value for name, value in params.items()}


def say_sentence(sentence: str) -> str:
    """A finished English sentence in the page's language, as far as its wording is known."""
    locale = get_locale()
    if locale is None or locale.language == "en":
        return sentence
    if len(sentence) > LONGEST_SENTENCE:
        return sentence
    for pattern, wording in _patterns():
        found = pattern.fullmatch(sentence)
        if found:
            return fill(gettext(wording), _params(found.groupdict()))
    return gettext(sentence) if sentence else ""


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Those with the most fixed text first: `{what}` alone would match everything."""
    patterns = []
    for each in WORDINGS.values():
        for sentence in (each.owner,):
            pieces = re.split(r"\{(\w+)\}", sentence)
            fixed = sum(len(piece) for piece in pieces[::2])
            if fixed < 5:
                continue
            seen: set[str] = set()
            pattern = ""
            for i, piece in enumerate(pieces):
                if i % 2 == 0:
                    pattern += re.escape(piece)
                else:
                    pattern += f"(?P={piece})" if piece in seen else f"(?P<{piece}>.*?)"
                    seen.add(piece)
            patterns.append((fixed, re.compile(pattern, re.DOTALL), sentence))
    return [(pattern, sentence) for _, pattern, sentence in sorted(patterns, key=lambda p: -p[0])]


def coded(sentence: str) -> Markup:
    """A sentence with its `commands` set apart; all else in it escaped."""
    pieces = re.split(r"`([^`]+)`", sentence)
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if i % 2 else escape(piece) for i, piece in enumerate(pieces)
    )


def moment(at: float) -> datetime:
    """Seconds since the epoch in the owner's time zone."""
    config = g.get("config")
    return datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(config.locale.timezone if config else "UTC"))


def short_time(at: float | None) -> str:
    return format_datetime(moment(at), "d MMM yyyy HH:mm", rebase=False) if at else ""


def iso_time(at: float | None) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds") if at else ""


def short_day(day: str) -> str:
    """`2026-11-24` as people say it."""
    return str(format_date(date.fromisoformat(day), "d MMM"))


def octets(size: int) -> str:
    """`12 KB`, as people say it."""
    value = float(size)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit in ("B", "KB") or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError
