"""An HTML body as plain text: what a careful reader sees of it, without anything that acts.

Promises: the result is text, to be escaped like any other; no address in it is fetched; time grows in line with the
length, whatever the input (Python's own parser does not promise that). Links show where they lead, since that is what
a forged mail hides.
"""

from __future__ import annotations

import re

from appliance.mime.character_references import unescape

LONGEST = 1_000_000  # characters of HTML that are looked at

# Comments; a tag, its end missing perhaps; declarations and what only looks like a tag; text, with what `<` it holds.
# Each branch runs to its end only once.
_TOKEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<(/?)([A-Za-z][A-Za-z0-9]*)([^>]*)>?|<[!?/][^>]*>?|(?P<text>(?:[^<]|<(?![A-Za-z!?/]))+)",
    re.DOTALL,
)
_HREF = re.compile(r"""(?:^|\s)href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\r\n\f]+")
_UNSEEN = ("script", "style", "head", "title", "template", "noscript", "svg", "math", "iframe", "object")
_PARAGRAPH = frozenset(
    [
        "p",
        "blockquote",
        "pre",
        "ul",
        "ol",
        "dl",
        "table",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "section",
        "article",
        "header",
        "footer",
        "form",
    ]
)
_LINE = frozenset(["br", "div", "tr", "li", "dt", "dd", "address", "figure", "figcaption"])
_LINK_SHOWN = re.compile(r"(?:https?|mailto|ftp|tel):", re.IGNORECASE)


def html_to_text(source: str) -> str:
    source = source[:LONGEST]
    out: list[str] = []
    link = ""
    link_from = 0
    position = 0
    while position < len(source):
        token = _TOKEN.match(source, position)
        assert token is not None
        position = token.end()
        closing, name, attributes = token.group(1), (token.group(2) or "").lower(), token.group(3) or ""
        if not name:
            if token["text"]:
                out.append(_SPACE.sub(" ", unescape(token["text"])))
            continue
        if name in _UNSEEN and not closing:
            position = _after_end(source, name, position)
        elif name == "a":
            shown = "".join(out[link_from:]).strip()
            if closing and link and link not in shown:
                out.append(f" <{link}>")
            link, link_from = ("" if closing else _target(attributes)), len(out)
        elif name in _PARAGRAPH:
            out.append("\n\n")
        elif name in _LINE:
            out.append("\n- " if name == "li" and not closing else "\n")
        elif name in ("td", "th") and closing:
            out.append("  ")
        elif name == "img" and (alt := re.search(r"""\balt\s*=\s*["']([^"']{1,200})["']""", attributes)):
            out.append(f"[{unescape(alt.group(1))}]")
    return _tidy("".join(out))


def _after_end(source: str, name: str, position: int) -> int:
    """Behind the closing tag; without one the rest is unseen too."""
    end = re.compile(rf"</{name}\b[^>]*>?", re.IGNORECASE).search(source, position)
    return end.end() if end else len(source)


def _target(attributes: str) -> str:
    found = _HREF.search(attributes)
    if not found:
        return ""
    target = unescape(next(group for group in found.groups() if group is not None)).strip()
    return target if _LINK_SHOWN.match(target) else ""


def _tidy(text: str) -> str:
    lines = [line.strip(" \t\u00a0") for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
