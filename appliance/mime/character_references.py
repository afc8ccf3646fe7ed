"""`&amp;` and `&#8364;` as the characters they stand for.

Promises: never raises. Python's own `html.unescape` raises for a number of more than 4300 digits, and a message that
holds one could then neither be taken in nor be shown. A number that is no character's becomes U+FFFD, as in browsers.
HTML Living Standard 13.2.5.80 (numeric character reference end state).
"""

from __future__ import annotations

import html
import re

_ENDLESS = re.compile(r"&#[0-9]{100,};?")  # the largest character's has seven digits


def unescape(text: str) -> str:
    """Cost: linear."""
    return html.unescape(_ENDLESS.sub("\ufffd", text))
