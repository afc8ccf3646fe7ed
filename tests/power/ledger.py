"""What the server has acknowledged, and what it must show for it after a power cut. Pure.

Deliveries: each letter acknowledged must be in each recipient's account exactly once and whole. One that was under way
may be there or not, but for all of its recipients alike, and never twice.

Desks: an account that one client alone works on, one command after another. Its states follow each other, so what is
found must be one of them: no older than the last acknowledged durable one, no newer than what the command under way
makes. A flag may be lost (they are lazy), but not without everything after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Flags = frozenset[str]


@dataclass(slots=True, frozen=True)
class Kept:
    """One message as a client sees it. name: its letter's; None when it is none of ours."""

    name: str | None
    flags: Flags
    whole: bool
    report: bool


@dataclass(slots=True)
class Folder:
    """A mailbox as it was found or as it should be: messages by UID."""

    uidvalidity: int
    uidnext: int
    messages: dict[int, Kept] = field(default_factory=dict)


State = Mapping[str, Mapping[int, tuple[str, Flags]]]  # mailbox → UID → (letter, flags)


class Desk:
    """What one client made of its account."""

    def __init__(self, mailboxes: Iterable[str]) -> None:
        self.states: list[State] = [{name: {} for name in mailboxes}]  # the first is durable
        self.uidnext = dict.fromkeys(self.states[0], 1)
        self._under_way: State | None = None

    @property
    def now(self) -> State:
        return self.states[-1]

    def begin(self, changed: State) -> None:
        """A command is about to be sent that makes these mailboxes so."""
        self._under_way = {**self.now, **changed}

    def acknowledge(self, *, durable: bool) -> None:
        assert self._under_way is not None
        self.states = [self._under_way] if durable else [*self.states, self._under_way]
        self._under_way = None
        for mailbox, messages in self.now.items():
            self.uidnext[mailbox] = max(self.uidnext[mailbox], *(uid + 1 for uid in messages), 1)

    def compare(self, who: str, found: Mapping[str, Folder]) -> list[str]:
        """What is wrong; what was found is what it goes on with."""
        seen: State = {
            mailbox: {uid: (kept.name or "?", kept.flags) for uid, kept in found[mailbox].messages.items()}
            for mailbox in self.now
        }
        possible = [*self.states, self._under_way] if self._under_way is not None else self.states
        wrong = [
            f"{who}: message {uid} of {mailbox} is damaged"
            for mailbox in self.now
            for uid, kept in found[mailbox].messages.items()
            if not kept.whole
        ]
        wrong += [
            f"{who}: UIDs of {mailbox} would be given again: UIDNEXT {found[mailbox].uidnext} after {uidnext - 1}"
            for mailbox, uidnext in self.uidnext.items()
            if found[mailbox].uidnext < uidnext
        ]
        if seen not in possible:
            wrong += [f"{who}: {each}" for each in _differences(self.states[0], seen)] or [f"{who}: no state it had"]
        self.states, self._under_way = [seen], None
        for mailbox in self.uidnext:
            self.uidnext[mailbox] = max(self.uidnext[mailbox], found[mailbox].uidnext)
        return wrong


def _differences(expected: State, seen: State) -> list[str]:
    return [
        f"{mailbox} {uid}: {expected[mailbox].get(uid)} was acknowledged, {seen[mailbox].get(uid)} is there"
        for mailbox in expected
        for uid in sorted({*expected[mailbox], *seen[mailbox]})
        if expected[mailbox].get(uid) != seen[mailbox].get(uid)
    ]


@dataclass(slots=True)
class Figures:
    """Of one cut, or of many."""

    cuts: int = 0
    acknowledged: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    twice: int = 0
    unacknowledged_kept: int = 0  # accepted, and the client never heard of it: allowed, and the price of never losing
    after_the_cut: int = 0  # acknowledged although the power was off: honest only where the card had it already
    refused_after_the_cut: int = 0


@dataclass(slots=True)
class Ledger:
    """Of the whole server. Accounts by name, their mailboxes by name.

    delivered: letter → recipients; under_way the same. moved, gone: (account, letter) that is to be in Old, or
    nowhere; *_under_way: may be. sent: letters for elsewhere; refused: those whose recipient does not exist there.
    """

    delivered: dict[str, tuple[str, ...]] = field(default_factory=dict)
    under_way: dict[str, tuple[str, ...]] = field(default_factory=dict)
    moved: set[tuple[str, str]] = field(default_factory=set)
    gone: set[tuple[str, str]] = field(default_factory=set)
    moving: set[tuple[str, str]] = field(default_factory=set)
    going: set[tuple[str, str]] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    uidvalidity: dict[tuple[str, str], int] = field(default_factory=dict)
    uids: dict[tuple[str, str], dict[int, str | None]] = field(default_factory=dict)  # every one that was ever seen
    uidnext: dict[tuple[str, str], int] = field(default_factory=dict)

    def compare(
        self,
        found: Mapping[str, Mapping[str, Folder]],
        queued: Iterable[str],
        received: Iterable[str],
        figures: Figures,
    ) -> list[str]:
        """found: the accounts that mail is delivered to; queued, received: letters that wait, that the others have."""
        wrong = self._compare_uids(found)
        places: dict[tuple[str, str], list[str]] = {}
        reported: Counter[str] = Counter()
        for account, mailboxes in found.items():
            for mailbox, folder in mailboxes.items():
                for uid, kept in folder.messages.items():
                    if kept.name is None:
                        wrong.append(f"{account}: message {uid} of {mailbox} is nobody's")
                    elif kept.report:
                        reported[kept.name] += 1
                    else:
                        places.setdefault((account, kept.name), []).append(mailbox)
                        if not kept.whole:
                            wrong.append(f"{account}: {kept.name} in {mailbox} is damaged")
        wrong += self._compare_deliveries(places, figures)
        wrong += self._compare_outgoing({*queued}, {*received}, reported, figures)
        return wrong

    def _compare_uids(self, found: Mapping[str, Mapping[str, Folder]]) -> list[str]:
        wrong = []
        for account, mailboxes in found.items():
            for mailbox, folder in mailboxes.items():
                key = account, mailbox
                if self.uidvalidity.setdefault(key, folder.uidvalidity) != folder.uidvalidity:
                    wrong.append(f"{key}: another UIDVALIDITY")
                if folder.uidnext < self.uidnext.get(key, 1):
                    wrong.append(f"{key}: UIDNEXT went back from {self.uidnext[key]} to {folder.uidnext}")
                self.uidnext[key] = folder.uidnext
                known = self.uids.setdefault(key, {})
                for uid, kept in folder.messages.items():
                    if known.setdefault(uid, kept.name) != kept.name:
                        wrong.append(f"{key}: UID {uid} was {known[uid]} and is {kept.name}")
        return wrong

    def _compare_deliveries(self, places: Mapping[tuple[str, str], list[str]], figures: Figures) -> list[str]:
        wrong = []
        for name, recipients in self.delivered.items():
            for account in recipients:
                key = account, name
                where = places.get(key, [])
                if len(where) > 1:
                    figures.twice += 1
                    wrong.append(f"{account}: {name} is there {len(where)} times: {where}")
                elif not where and key not in self.gone | self.going:
                    figures.lost += 1
                    wrong.append(f"{account}: {name} was acknowledged and is not there")
                elif where and key in self.gone:
                    wrong.append(f"{account}: {name} was expunged and is there")
                elif key in self.moved and where and where != ["Old"]:
                    wrong.append(f"{account}: {name} was moved and is in {where}")
                elif where == ["Old"] and key not in self.moved | self.moving:
                    wrong.append(f"{account}: {name} was not moved and is in {where}")
        for name, recipients in self.under_way.items():
            there = {account: len(places.get((account, name), [])) for account in recipients}
            if len({*there.values()}) > 1 or max(there.values()) > 1:
                figures.twice += max(there.values()) > 1
                wrong.append(f"{name} was under way and is there so often: {there}")
            elif max(there.values()) == 1:
                figures.unacknowledged_kept += 1
                self.delivered[name] = recipients
        strangers = {name for _, name in places} - self.delivered.keys() - self.under_way.keys()
        wrong += [f"{name} is there and was never sent" for name in strangers]
        self.under_way.clear()
        self.moved |= {key for key in self.moving if places.get(key) == ["Old"]}
        self.gone |= {key for key in self.going if key not in places}
        self.moving.clear()
        self.going.clear()
        return wrong

    def _compare_outgoing(
        self, queued: set[str], received: set[str], reported: Counter[str], figures: Figures
    ) -> list[str]:
        wrong = [
            f"{name} was to go out and is neither queued nor received" for name in sorted(self.sent - queued - received)
        ]
        wrong += [
            f"{name} was refused there and is neither queued nor reported"
            for name in sorted(self.refused - queued - reported.keys())
        ]
        figures.lost += len(wrong)
        again = [name for name, times in reported.items() if times > 1]
        figures.twice += len(again)
        return wrong + [f"{name} is reported {reported[name]} times" for name in again]
