"""Which mailboxes a LIST or LSUB pattern means, and what is said of each. Pure. RFC 3501 6.3.8-6.3.9, RFC 3348, RFC 6154.

A level that exists only because there are mailboxes below it is listed too, as \\Noselect. Matching is done in time
linear in name × pattern: a pattern is a stranger's and must not be a regular expression's nightmare.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SEPARATOR = "/"


@dataclass(slots=True, frozen=True)
class Listed:
    name: str
    attributes: tuple[str, ...]


def listed(names: Mapping[str, str | None], pattern: str) -> list[Listed]:
    """names: each mailbox with its special use, such as `\\Sent`, or None. In the order of names."""
    parents = {parent for name in names for parent in _parents(name)}
    found = []
    for name in sorted({*names, *parents}):
        if matches(pattern, name):
            attributes = [] if name in names else ["\\Noselect"]
            attributes.append("\\HasChildren" if name in parents else "\\HasNoChildren")
            if (special_use := names.get(name)) is not None:
                attributes.append(special_use)
            found.append(Listed(name, tuple(attributes)))
    return found


def subscribed(names: Iterable[str], pattern: str) -> list[Listed]:
    """LSUB: with `%`, a level above a subscribed name that is not subscribed itself comes as \\Noselect."""
    names = set(names)
    found = {name: Listed(name, ()) for name in names if matches(pattern, name)}
    if "%" in pattern:
        for name in names:
            for parent in _parents(name):
                if parent not in found and matches(pattern, parent):
                    found[parent] = Listed(parent, ("\\Noselect",))
    return [found[name] for name in sorted(found)]


def _parents(name: str) -> Iterable[str]:
    at = name.find(SEPARATOR)
    while at > 0:
        yield name[:at]
        at = name.find(SEPARATOR, at + 1)


def matches(pattern: str, name: str) -> bool:
    """`*` is anything, `%` anything within one level. INBOX is INBOX in any case (RFC 3501 5.1)."""
    first, separator, rest = pattern.partition(SEPARATOR)
    if first.upper() == "INBOX":
        pattern = "INBOX" + separator + rest
    # The places in the pattern that the name so far can lead to.
    at = _with_empty_wildcards(pattern, {0})
    for character in name:
        after = set()
        for place in at:
            if place == len(pattern):
                continue
            wanted = pattern[place]
            if wanted == "*" or (wanted == "%" and character != SEPARATOR):
                after.add(place)
            elif wanted == character and wanted != "%":
                after.add(place + 1)
        at = _with_empty_wildcards(pattern, after)
        if not at:
            return False
    return len(pattern) in at


def _with_empty_wildcards(pattern: str, places: set[int]) -> set[int]:
    reached = set()
    for start in places:
        place = start
        reached.add(place)
        while place < len(pattern) and pattern[place] in "*%" and place + 1 not in reached:
            place += 1
            reached.add(place)
    return reached
