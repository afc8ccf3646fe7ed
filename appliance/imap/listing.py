"""Which mailboxes a LIST or LSUB pattern means, and what is said of each. Pure.

RFC 3501 6.3.8-6.3.9, RFC 3348, RFC 5258, RFC 6154, RFC 9051 6.3.9.

A level that exists only because there are mailboxes below it is listed too, as \\Noselect (in an extended LIST, as
\\NonExistent). Matching is done in time linear in name × pattern, and a pattern with more letters than the name is not
tried: a pattern is a stranger's and must not be a regular expression's nightmare.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache

from .grammar.list import BASE, List, Return, Selection

SEPARATOR = "/"


@dataclass(slots=True, frozen=True)
class Listed:
    """child_info: what of the selection is met by a mailbox below; meant: it meets the selection itself."""

    name: str
    attributes: tuple[str, ...]
    child_info: tuple[str, ...] = ()
    meant: bool = True


def listed(
    names: Mapping[str, str | None], subscriptions: AbstractSet[str], command: List, *, modern: bool
) -> list[Listed]:
    """names: each mailbox with its special use, such as `\\Sent`, or None. modern: \\NonExistent in place of \\Noselect.
    In the order of names."""
    wanted = command.selection & BASE
    recursive = Selection.RECURSIVEMATCH in command.selection
    say_children = not command.extended or Return.CHILDREN in command.returns
    say_subscribed = Return.SUBSCRIBED in command.returns or Selection.SUBSCRIBED in wanted
    # RFC 6154 2: of itself only in the plain LIST.
    say_use = not command.extended or Return.SPECIAL_USE in command.returns or Selection.SPECIAL_USE in wanted

    def meant(name: str) -> bool:
        if Selection.SUBSCRIBED in wanted and name not in subscriptions:
            return False
        return Selection.SPECIAL_USE not in wanted or names.get(name) is not None

    parents = {parent for name in names for parent in parents_of(name)}
    candidates = {*names, *parents}
    if Selection.SUBSCRIBED in wanted:
        candidates |= subscriptions
    # RFC 5258 3.5: it does not matter whether the mailbox below matches the pattern.
    above_meant = {parent for name in candidates if meant(name) for parent in parents_of(name)} if recursive else set()
    candidates |= above_meant
    patterns = [composed(command.reference + pattern) for pattern in command.patterns if pattern]
    found = []
    for name in sorted(candidates):
        itself = meant(name)
        if not (itself or name in above_meant) or not any(matches(pattern, name) for pattern in patterns):
            continue
        attributes = []
        if name not in names:
            attributes.append("\\NonExistent" if modern else "\\Noselect")
        if say_children:
            attributes.append("\\HasChildren" if name in parents else "\\HasNoChildren")
        if say_subscribed and name in subscriptions:
            attributes.append("\\Subscribed")
        if say_use and (special_use := names.get(name)) is not None:
            attributes.append(special_use)
        child_info = tuple(sorted(wanted)) if name in above_meant else ()
        found.append(Listed(name, tuple(attributes), child_info, itself))
    return found


def subscribed(names: Iterable[str], pattern: str) -> list[Listed]:
    """LSUB: with `%`, a level above a subscribed name that is not subscribed itself comes as \\Noselect."""
    names = set(names)
    found = {name: Listed(name, ()) for name in names if matches(pattern, name)}
    if "%" in pattern:
        for name in names:
            for parent in parents_of(name):
                if parent not in found and matches(pattern, parent):
                    found[parent] = Listed(parent, ("\\Noselect",))
    return [found[name] for name in sorted(found)]


def composed(name: str) -> str:
    """RFC 5198 2: so that two programs' spellings are one name."""
    return unicodedata.normalize("NFC", name)


def parents_of(name: str) -> Iterable[str]:
    at = name.find(SEPARATOR)
    while at > 0:
        yield name[:at]
        at = name.find(SEPARATOR, at + 1)


_RUN = re.compile(r"[*%]{2,}")


def matches(pattern: str, name: str) -> bool:
    """`*` is anything, `%` anything within one level. INBOX is INBOX in any case (RFC 3501 5.1)."""
    pattern = _RUN.sub(lambda run: "*" if "*" in run.group() else "%", pattern)
    if len(pattern) > 2 * len(name) + 1:
        return False  # that has more letters than the name
    first, separator, rest = pattern.partition(SEPARATOR)
    if first.upper() == "INBOX":
        pattern = "INBOX" + separator + rest
    if pattern in ("*", "%"):  # what nearly every client asks for
        return pattern == "*" or SEPARATOR not in name
    if "*" not in pattern and "%" not in pattern:
        return pattern == name
    letters, any_letter, within_level = _masks(pattern)
    wildcards = any_letter | within_level
    # The places in the pattern that the name so far can lead to, a bit for each. No two wildcards stand side by side, so one
    # step leads past those that stand for nothing.
    at = 1 | (wildcards & 1) << 1
    for character in name:
        stays = at & (any_letter if character == SEPARATOR else wildcards)
        at = stays | (at & letters.get(character, 0)) << 1
        if not at:
            return False
        at |= (at & wildcards) << 1
    return bool(at >> len(pattern) & 1)


@lru_cache(maxsize=256)
def _masks(pattern: str) -> tuple[dict[str, int], int, int]:
    """At which places each letter stands, `*`, and `%`."""
    masks: dict[str, int] = {}
    for place, character in enumerate(pattern):
        masks[character] = masks.get(character, 0) | 1 << place
    return masks, masks.pop("*", 0), masks.pop("%", 0)
