"""What one client wants to be told of mailboxes, and what of it has happened since it was told last. Pure. RFC 5465.

`Watch` hears the bus's events and keeps no more of them than which mailboxes to look at again: whoever tells the client
looks at how they stand then, so that a thousand deliveries between two tellings are one STATUS. Past MOST_PENDING mailboxes,
or entries of METADATA on one, it gives up (`overflowed`, RFC 5465 5.8). Names come from a list of mailboxes as the client was told of it last; `differences`
says what LIST has to say of a newer one.

Several groups may mean one mailbox: it has the events of all of them, and none where one of them says NONE. Of the selected
mailbox the selected groups alone speak; where there is none, nothing of it is told between commands and in IDLE, while what a
command brings to light is told after that command as ever, for sequence numbers depend on it. A change that this client made
itself is told as those of others are.

Known limit: INBOXES are all of the account's own mailboxes, since a filter may deliver into any of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from ..status.events import AnnotationsChanged, Event, MailboxChanged, MailboxListChanged
from .grammar.fetch import Item, Section
from .grammar.notify import OF_MESSAGES, OF_SELECTED, Filter, Group, Happening
from .listing import parents_of
from .view import Exists, Expunged, KeywordsNow, RecentCount, Untagged

MOST_PENDING = 1000  # mailboxes of which something is untold
MOST_NAMES = 1000  # in SUBTREE and MAILBOXES together
SERVER = 0  # in place of a mailbox

SUPPORTED = tuple(each for each in Happening if each is not Happening.ANNOTATION_CHANGE)


@dataclass(slots=True, frozen=True)
class Known:
    """A mailbox as the client sees it. own: in its personal namespace; readable: with the right to read it; noted: what is
    noted on it may be seen (RFC 5464 3.3)."""

    name: str
    own: bool
    readable: bool
    noted: bool = True


@dataclass(slots=True, frozen=True)
class Mailboxes:
    """All that the client can see, by id, and the names it has subscribed to."""

    known: Mapping[int, Known]
    subscribed: AbstractSet[str]


@dataclass(slots=True, frozen=True)
class Told:
    """One LIST response."""

    name: str
    attributes: tuple[str, ...] = ()
    old_name: str | None = None


@dataclass(slots=True)
class Pending:
    """happened: by mailbox; entries: of METADATA, by mailbox, in the order in which they changed."""

    happened: dict[int, set[Happening]] = field(default_factory=dict)
    entries: dict[int, dict[str, None]] = field(default_factory=dict)
    mailboxes: bool = False  # the list of mailboxes or subscriptions is another

    def __bool__(self) -> bool:
        return bool(self.happened or self.entries or self.mailboxes)


class Watch:
    def __init__(self, groups: Iterable[Group], *, account_id: int, mailboxes: Mailboxes) -> None:
        self.mailboxes = mailboxes
        self.overflowed = False
        self._account_id = account_id
        groups = tuple(groups)
        self._selected = next((group for group in groups if group.filter in OF_SELECTED), None)
        # With the names as a set: there may be MOST_NAMES of them, and they are asked for each mailbox.
        self._others = tuple((each, frozenset(each.mailboxes)) for each in groups if each.filter not in OF_SELECTED)
        everything = frozenset(happening for group, _ in self._others for happening in group.happenings)
        self._wants_messages = bool(everything & OF_MESSAGES)
        self._wants_metadata = Happening.MAILBOX_METADATA_CHANGE in everything
        self._wants_server = Happening.SERVER_METADATA_CHANGE in everything
        self._pending = Pending()

    # the selected mailbox

    @property
    def tells_selected(self) -> bool:
        """Changes of the selected mailbox are told between commands and in IDLE."""
        return self._selected is not None and bool(self._selected.happenings)

    @property
    def tells_expunged(self) -> bool:
        """An expunged message too, and not only when a command allows it (RFC 5465 6.1)."""
        return self.tells_selected and self._selected is not None and self._selected.filter is Filter.SELECTED

    @property
    def items(self) -> tuple[Item | Section, ...]:
        """What to fetch of a message that comes into the selected mailbox."""
        return () if self._selected is None else self._selected.items

    def of_selected(self, told: Iterable[Untagged]) -> list[Untagged]:
        """Without changes of flags, where these are not wanted."""
        wanted = self._selected is not None and Happening.FLAG_CHANGE in self._selected.happenings
        return [each for each in told if wanted or isinstance(each, (Exists, Expunged, KeywordsNow, RecentCount))]

    # the others

    def wanted(self, name: str, *, own: bool, subscribed: AbstractSet[str]) -> frozenset[Happening]:
        """What of a mailbox that is not selected is to be told."""
        found: set[Happening] = set()
        for group, names in self._others:
            if _means(group, names, name, own=own, subscribed=subscribed):
                if not group.happenings:
                    return frozenset()
                found |= group.happenings
        return frozenset(found)

    def named(self) -> list[Group]:
        """The groups that name mailboxes."""
        return [group for group, names in self._others if names]

    @property
    def wants_server(self) -> bool:
        return self._wants_server

    # what happens

    def hear(self, event: Event, *, selected_id: int | None) -> bool:
        """Whether there is something to tell now."""
        pending = self._pending
        if self.overflowed:  # which is still to be told, and nothing else any more
            return False
        match event:
            case MailboxChanged(mailbox_id=mailbox_id) if self._wants_messages and mailbox_id != selected_id:
                if event.account_id != self._account_id and mailbox_id not in self.mailboxes.known:
                    return False
                happened = pending.happened.setdefault(mailbox_id, set())
                if event.appended or event.whole:
                    happened.add(Happening.MESSAGE_NEW)
                if event.expunged or event.whole:
                    happened.add(Happening.MESSAGE_EXPUNGE)
                if event.flagged or event.whole:
                    happened.add(Happening.FLAG_CHANGE)
            case MailboxListChanged(account_id=account_id) if account_id == self._account_id:
                pending.mailboxes = bool(self._others)
            case AnnotationsChanged(mailbox_id=mailbox_id):
                seen = event.account_id == self._account_id or mailbox_id in self.mailboxes.known
                if not seen and mailbox_id != SERVER:
                    return False
                wanted = self._wants_server if mailbox_id == SERVER else self._wants_metadata
                # What is private is its writer's alone.
                entries = [
                    entry
                    for entry in event.entries
                    if entry.startswith("/shared/") or event.changed_by == self._account_id
                ]
                if not wanted or not entries:
                    return False
                changed = pending.entries.setdefault(mailbox_id, {})
                changed.update(dict.fromkeys(entries))
                if len(changed) > MOST_PENDING:
                    self.overflowed = True
            case _:
                return False
        if len(pending.happened) + len(pending.entries) > MOST_PENDING:
            self.overflowed = True
        return bool(pending)

    def take(self) -> Pending:
        """What has happened since the last time."""
        pending, self._pending = self._pending, Pending()
        return pending

    @property
    def has_news(self) -> bool:
        return self.overflowed or bool(self._pending)

    def differences(self, now: Mailboxes) -> list[Told]:
        """What LIST has to say of the mailboxes and subscriptions of now, which are the known ones from then on.
        RFC 5465 5.4-5.5."""
        before, self.mailboxes = self.mailboxes, now
        told: list[Told] = []

        def wants(happening: Happening, known: Known, mailboxes: Mailboxes) -> bool:
            return happening in self.wanted(known.name, own=known.own, subscribed=mailboxes.subscribed)

        for mailbox_id, known in before.known.items():
            after = now.known.get(mailbox_id)
            if after is None:
                if wants(Happening.MAILBOX_NAME, known, before):
                    told.append(Told(known.name, ("\\NonExistent",)))
                continue
            if not (wants(Happening.MAILBOX_NAME, known, before) or wants(Happening.MAILBOX_NAME, after, now)):
                continue
            attributes = () if after.readable else ("\\NoAccess",)
            if after.name != known.name:
                told.append(Told(after.name, attributes, known.name))
            elif after.readable != known.readable:
                told.append(Told(after.name, attributes))
        for mailbox_id, known in now.known.items():
            if mailbox_id not in before.known and wants(Happening.MAILBOX_NAME, known, now):
                told.append(Told(known.name, () if known.readable else ("\\NoAccess",)))
        names = {known.name: known for known in now.known.values()}
        for name in sorted(before.subscribed ^ now.subscribed):
            there = names.get(name)
            # Who leaves a SUBSCRIBED group is told of it still.
            either = Mailboxes({}, before.subscribed | now.subscribed)
            if not wants(Happening.SUBSCRIPTION_CHANGE, there or Known(name, True, True), either):
                continue
            attributes = ("\\Subscribed",) if name in now.subscribed else ()
            told.append(Told(name, attributes if there else (*attributes, "\\NonExistent")))
        return told


def _means(group: Group, names: AbstractSet[str], name: str, *, own: bool, subscribed: AbstractSet[str]) -> bool:
    match group.filter:
        case Filter.INBOXES | Filter.PERSONAL:
            return own
        case Filter.SUBSCRIBED:
            return name in subscribed
        case Filter.SUBTREE:
            return name in names or any(parent in names for parent in parents_of(name))
        case Filter.MAILBOXES:
            return name in names
        case _:
            return False
