"""NOTIFY: of which mailboxes a client wants to be told what. RFC 5465 6 and 8.

What cannot be wanted together is no command (RFC 5465 5): one of MessageNew and MessageExpunge without the other,
FlagChange without both, something other than messages of the selected mailbox. Events that nobody knows are kept by name:
that is for the command to refuse, with the list of those that we know.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .cursor import Cursor, GrammarFault
from .fetch import MOST_ITEMS, Item, Section, fetch_att_list

MOST_GROUPS = 100


class Filter(StrEnum):
    SELECTED = "SELECTED"
    SELECTED_DELAYED = "SELECTED-DELAYED"
    INBOXES = "INBOXES"
    PERSONAL = "PERSONAL"
    SUBSCRIBED = "SUBSCRIBED"
    SUBTREE = "SUBTREE"
    MAILBOXES = "MAILBOXES"


class Happening(StrEnum):
    """RFC 5465 5. AnnotationChange is RFC 5257's, which nobody offers."""

    MESSAGE_NEW = "MessageNew"
    MESSAGE_EXPUNGE = "MessageExpunge"
    FLAG_CHANGE = "FlagChange"
    ANNOTATION_CHANGE = "AnnotationChange"
    MAILBOX_NAME = "MailboxName"
    SUBSCRIPTION_CHANGE = "SubscriptionChange"
    MAILBOX_METADATA_CHANGE = "MailboxMetadataChange"
    SERVER_METADATA_CHANGE = "ServerMetadataChange"


BOTH = frozenset((Happening.MESSAGE_NEW, Happening.MESSAGE_EXPUNGE))
OF_MESSAGES = BOTH | {Happening.FLAG_CHANGE, Happening.ANNOTATION_CHANGE}
OF_SELECTED = (Filter.SELECTED, Filter.SELECTED_DELAYED)

_BY_NAME = {each.upper().encode(): each for each in Happening}


@dataclass(slots=True, frozen=True)
class Group:
    """mailboxes: named by SUBTREE and MAILBOXES; happenings: none for NONE; items: what to fetch of a new message;
    unknown: events as they were named."""

    filter: Filter
    mailboxes: tuple[str, ...] = ()
    happenings: frozenset[Happening] = frozenset()
    items: tuple[Item | Section, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True)
class Notify:
    """groups: none for NOTIFY NONE; status: tell first how the mailboxes stand."""

    groups: tuple[Group, ...] = ()
    status: bool = False


def notify(cursor: Cursor) -> Notify:
    """notify = "NOTIFY" SP ("NONE" / "SET" [SP "STATUS"] SP event-group *(SP event-group))"""
    cursor.space()
    word = cursor.word("SET or NONE")
    if word == b"NONE":
        return Notify()
    if word != b"SET":
        raise GrammarFault("NOTIFY wants SET or NONE")
    status = cursor.take(b" STATUS")
    groups: list[Group] = []
    while cursor.take(b" "):
        groups.append(_group(cursor))
        if len(groups) > MOST_GROUPS:
            raise GrammarFault("too many groups of events")
    if not groups:
        raise cursor.fault("a group of events")
    if sum(group.filter in OF_SELECTED for group in groups) > 1:
        raise GrammarFault("the selected mailbox can be meant once only")
    return Notify(tuple(groups), status)


def _group(cursor: Cursor) -> Group:
    """event-group = "(" filter-mailboxes SP events ")" """
    cursor.need(b"(")
    try:
        filter_ = Filter(cursor.word("which mailboxes").decode("ascii"))
    except ValueError:
        raise GrammarFault("there is no such group of mailboxes") from None
    cursor.space()
    mailboxes: tuple[str, ...] = ()
    if filter_ in (Filter.SUBTREE, Filter.MAILBOXES):
        # one-or-more-mailbox = mailbox / "(" mailbox *(SP mailbox) ")"
        mailboxes = cursor.parenthesised(cursor.mailbox) if cursor.stands(b"(") else (cursor.mailbox(),)
        cursor.space()
    if cursor.take(b"NONE"):
        cursor.need(b")")
        return Group(filter_, mailboxes)
    # events = ("(" event *(SP event) ")") / "NONE"
    happenings: set[Happening] = set()
    items: tuple[Item | Section, ...] = ()
    unknown: list[str] = []
    for name, fetched in cursor.parenthesised(lambda: _event(cursor)):
        if (happening := _BY_NAME.get(name.upper())) is None:
            unknown.append(name.decode("ascii"))
        else:
            happenings.add(happening)
        items += fetched
    cursor.need(b")")
    if items and filter_ not in OF_SELECTED:
        raise GrammarFault("only of the selected mailbox can new messages be fetched")
    if len(items) > MOST_ITEMS:
        raise GrammarFault("too much is asked for at once")
    _check(filter_, frozenset(happenings))
    return Group(filter_, mailboxes, frozenset(happenings), tuple(dict.fromkeys(items)), tuple(unknown))


def _event(cursor: Cursor) -> tuple[bytes, tuple[Item | Section, ...]]:
    """message-event = "MessageNew" [SP "(" fetch-att *(SP fetch-att) ")"] / … – the name and what to fetch."""
    name = cursor.atom("an event")
    if name.upper() == b"MESSAGENEW" and cursor.take(b" ("):
        cursor.at -= 1
        return name, fetch_att_list(cursor)
    return name, ()


def _check(filter_: Filter, happenings: frozenset[Happening]) -> None:
    if happenings & BOTH and not happenings >= BOTH:
        raise GrammarFault("MessageNew and MessageExpunge go together")
    if happenings & OF_MESSAGES and not happenings >= BOTH:
        raise GrammarFault("FlagChange and AnnotationChange need MessageNew and MessageExpunge")
    if filter_ in OF_SELECTED and happenings - OF_MESSAGES:
        raise GrammarFault("of the selected mailbox only changes of messages can be told")
