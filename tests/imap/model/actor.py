"""One client that does whatever comes to mind, and remembers nothing but what the server told it.

What its strict client (tests/support/imap_client.py) cannot judge by itself is kept as a claim, and held against the
truth when all are quiet.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.support.imap_client import Answer, ImapClient, Mailbox
from tests.support.imap_responses import in_set, number_set

from .truth import Flags, Truth

MESSAGE = b"Subject: hello\r\n\r\nbody\r\n"
ALLOWED_TO_FAIL = {"EXPUNGEISSUED", "NONEXISTENT", "MODIFIED"}
SETTABLE = ("\\Seen", "\\Deleted", "\\Flagged", "\\Answered", "one", "two", "three")
MANY = 60  # messages: from here on they rather expunge
IDLE_S = 0.3  # at most so long without any news


class Broken(Exception):
    """The model was not kept."""


@dataclass(slots=True, frozen=True)
class Kind:
    name: str
    enable: str = ""
    condstore: bool = False  # by SELECT (CONDSTORE)
    compressed: bool = False
    notify: str = ""
    idles: bool = False

    @property
    def qresync(self) -> bool:
        return "QRESYNC" in self.enable

    @property
    def by_uid_only(self) -> bool:
        """Numbers may change at any time, or do not exist."""
        return "UIDONLY" in self.enable or "(SELECTED " in self.notify

    @property
    def modseqs(self) -> bool:
        return self.condstore or self.qresync


DELAYED = "NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge FlagChange))"
AT_ONCE = "NOTIFY SET (SELECTED (MessageNew (UID FLAGS) MessageExpunge FlagChange))"

KINDS = (
    Kind("plain"),
    Kind("rev2", "IMAP4rev2"),
    Kind("qresync", "QRESYNC"),
    Kind("condstore", condstore=True),
    Kind("uidonly", "UIDONLY"),
    Kind("qresync compressed", "QRESYNC", compressed=True),
    Kind("idler", idles=True),
    Kind("qresync uidonly", "QRESYNC UIDONLY"),
    Kind("notify qresync", "QRESYNC", notify=DELAYED),
    Kind("plain compressed", compressed=True),
    Kind("notify condstore", condstore=True, notify=AT_ONCE),
    Kind("qresync idler", "QRESYNC", idles=True),
    Kind("notify", notify=DELAYED),
)


@dataclass
class Targets:
    text: str
    by_uid: bool
    uids: set[int]  # those whose UIDs are known


def found_in(answer: Answer) -> list[int]:
    """Of a SEARCH without RETURN, which IMAP4rev2 answers as ESEARCH."""
    if answer.esearch is not None:
        found = answer.esearch.get("ALL", [])
        assert isinstance(found, list)
        return found
    return answer.searched or []


@dataclass
class Actor:
    """seen: the highest MODSEQ told of; mark: up to which everything has been told, for QRESYNC. told: what FETCH said,
    still to be judged; gone: UIDs that can only be missing because they are no more."""

    name: str
    kind: Kind
    connect: Callable[[], Awaitable[ImapClient]]
    dice: random.Random
    log: Callable[[str, str], None]
    client: ImapClient = field(init=False)
    at_home: bool = False  # INBOX is selected
    seen: int = 0
    mark: int = 0
    uidvalidity: str = ""
    saved: set[int] = field(default_factory=set)
    told: list[tuple[int, Flags | None, int | None]] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)
    gone: list[tuple[str, int]] = field(default_factory=list)
    modified: list[tuple[int, int]] = field(default_factory=list)  # UID, UNCHANGEDSINCE
    stored: list[tuple[int, int, int]] = field(default_factory=list)  # and with the MODSEQ in between
    comebacks: int = 0

    @property
    def mailbox(self) -> Mailbox:
        assert self.client.mailbox is not None
        return self.client.mailbox

    def known(self) -> list[int]:
        return [uid for uid in self.mailbox.uids if uid is not None]

    # talking

    async def say(self, text: str, *literals: bytes, must: bool = False) -> Answer:
        self.log(self.name, f"C: {text}")
        try:
            answer = await self.client.command(text, *literals)
        finally:
            self._drain()
        self._heard(answer)
        if not answer.ok and (must or answer.done.code not in ALLOWED_TO_FAIL):
            raise Broken(f"{text} fails: {answer.done}")
        words = text.upper().split(" ")
        if words[0] == "UID" or words[0] not in ("FETCH", "STORE", "SEARCH"):
            self.mark = max(self.mark, self.seen)  # nothing was held back
        return answer

    def _heard(self, answer: Answer) -> None:
        for line in answer.lines:
            self.log(self.name, f"S: {line.decode('utf-8', 'replace')}")
        self.log(self.name, f"S: {answer.done.status} {answer.done.code} {answer.done.argument or ''}")
        if self.at_home and (code := answer.code("HIGHESTMODSEQ")) is not None:
            if int(code) < self.mark:
                raise Broken(f"HIGHESTMODSEQ went back from {self.mark} to {code}")
            self.seen = max(self.seen, int(code))

    def _drain(self) -> None:
        told, self.client.told = self.client.told, []
        if self.at_home:
            self.told += told
            self.seen = max([self.seen, *(modseq for _, _, modseq in told if modseq is not None)])

    # coming and going

    async def come(self) -> None:
        self.at_home = False
        self.client = await self.connect()
        if self.kind.compressed:
            await self.client.compress()
        if self.kind.enable:
            await self.say(f"ENABLE {self.kind.enable}", must=True)
        if self.kind.notify:
            self.client.notified = True
            self.client.expunged_any_time = "(SELECTED " in self.kind.notify
            await self.say(self.kind.notify, must=True)

    async def enter(self, parameters: str = "") -> Answer:
        """INBOX is selected, and nothing known of it but what that tells."""
        self.at_home, self.saved, self.seen = True, set(), 0
        self.places.clear()
        mark, self.mark = self.mark, 0
        if not parameters and self.kind.condstore:
            parameters = " (CONDSTORE)"
        try:
            answer = await self.say(f"SELECT INBOX{parameters}", must=True)
        except BaseException:
            self.mark = mark
            raise
        self.uidvalidity = answer.code("UIDVALIDITY") or ""
        if int(answer.code("HIGHESTMODSEQ") or 0) < mark:
            raise Broken(f"HIGHESTMODSEQ went back from {mark}")
        return answer

    async def learn_all(self) -> None:
        await self.say("UID FETCH 1:* (FLAGS)", must=True)

    async def return_as_known(self, before: Mailbox, mark: int) -> None:
        """SELECT (QRESYNC …) with what was remembered, and the same view as of one who stayed."""
        remembered = [uid for uid in before.uids if uid is not None]
        known = ""
        if remembered and self.dice.random() < 0.5:
            known = f" 1:{remembered[-1]}"
        if remembered and not self.kind.by_uid_only and self.dice.random() < 0.4:
            some = sorted(self.dice.sample(range(len(remembered)), min(3, len(remembered))))
            numbers = ",".join(str(place + 1) for place in some)
            known += f" ({numbers} {','.join(str(remembered[place]) for place in some)})"
        answer = await self.enter(f" (QRESYNC ({self.uidvalidity} {mark}{known}))")
        vanished = answer.earlier
        after = self.mailbox
        left = [uid for uid in remembered if vanished is None or not in_set(vanished.encode(), uid)]
        left = [uid for uid in left if uid not in answer.vanished]
        if len(left) > len(after.uids):
            raise Broken(f"{left} are there by what VANISHED said, but EXISTS says {len(after.uids)}")
        if self.client.uid_only:
            known_uids = sorted({*left, *(uid for uid in after.uids if uid is not None)})
            after.uids[:] = [*known_uids, *[None] * (len(after.uids) - len(known_uids))]
        else:
            for place, uid in enumerate(left):
                if after.uids[place] not in (None, uid):
                    raise Broken(f"message {place + 1} is {after.uids[place]}, and by what was remembered {uid}")
                after.uids[place] = uid
        for uid in left:
            if uid in before.known_flags:
                after.known_flags.setdefault(uid, before.known_flags[uid])
            if uid in before.modseqs:
                if after.modseqs.get(uid, before.modseqs[uid]) < before.modseqs[uid]:
                    raise Broken(f"the MODSEQ of {uid} went back")
                after.modseqs.setdefault(uid, before.modseqs[uid])
        self.comebacks += 1
        if len(self.known()) < len(after.uids):  # EXISTS told of them in its time, and nobody asked what they are
            await self.say(f"UID FETCH {max(left, default=0) + 1}:* (FLAGS)", must=True)

    async def hang_up(self) -> None:
        """In the middle of a command, perhaps; what was being said by then is lost."""
        await self.learn_all()
        before = self._memory()
        mark = self.mark
        if self.dice.random() < 0.5:
            lost = self.dice.choice(["NOOP", "EXPUNGE", "UID STORE 1:* +FLAGS (two)", "UID FETCH 1:* (FLAGS)"])
            self.log(self.name, f"C: {lost} – and hangs up")
            with contextlib.suppress(ConnectionError):
                await self.client.send(lost)
        self.log(self.name, "hangs up")
        await self.client.close()
        await self.come()
        self.mark = mark
        await self.return_as_known(before, mark)

    def _memory(self) -> Mailbox:
        now = self.mailbox
        return Mailbox(list(now.uids), dict(now.known_flags), dict(now.modseqs), now.flags, True)

    async def leave(self) -> None:
        before, mark = self._memory(), self.mark
        verb = self.dice.choice(["CLOSE", "UNSELECT", "EXAMINE Trash"])
        self.at_home = False
        await self.say(verb, must=True)
        await self._enter_again(before, mark)

    async def look_into_trash(self) -> None:
        before, mark = self._memory(), self.mark
        self.at_home = False
        await self.say("SELECT Trash", must=True)
        await self.say(
            self.dice.choice(["UID MOVE 1:* INBOX", "UID STORE 1:* FLAGS (\\Seen one)", "UID COPY 1:3 INBOX"])
        )
        await self.say(self.dice.choice(["NOOP", "UID STORE 1:* +FLAGS (\\Deleted)", "EXPUNGE"]))
        await self._enter_again(before, mark)

    async def _enter_again(self, before: Mailbox, mark: int) -> None:
        self.mark = mark
        if self.kind.qresync and None not in before.uids:
            await self.return_as_known(before, mark)
        else:
            await self.enter()
            if self.dice.random() < 0.7:
                await self.learn_all()

    # one step

    async def step(self) -> None:
        steps: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (6, self.store),
            (5, self.fetch),
            (3, self.search),
            (3 if len(self.mailbox.uids) < MANY else 0, self.append),
            (2 if len(self.mailbox.uids) < MANY else 0, self.copy),
            (2, self.replace),
            (2, self.move),
            (2 if len(self.mailbox.uids) < MANY else 6, self.expunge),
            (2, self.noop),
            (12 if self.kind.idles else 1, self.idle),
            (1, self.leave),
            (1, self.look_into_trash),
            (3 if self.kind.qresync else 0, self.hang_up),
        ]
        weights, what = zip(*steps, strict=True)
        await self.dice.choices(what, weights)[0]()

    def targets(self) -> Targets:
        dice, known = self.dice, self.known()
        if dice.random() < 0.1:
            return Targets("$", True if self.kind.by_uid_only else dice.random() < 0.5, set(self.saved))
        if self.kind.by_uid_only or not self.mailbox.uids or dice.random() < 0.5:
            if not known or dice.random() < 0.15:
                return Targets("1:*", True, set(known))
            low, high = sorted((dice.choice(known), dice.choice(known)))
            if dice.random() < 0.6:
                high = low
            return Targets(f"{low}:{high}", True, {uid for uid in known if low <= uid <= high})
        count = len(self.mailbox.uids)
        low = dice.randint(1, count)
        high = min(count, low + dice.choice([0, 0, 1, 5, 50]))
        return Targets(f"{low}:{high}", False, {uid for uid in self.mailbox.uids[low - 1 : high] if uid is not None})

    async def store(self) -> None:
        dice, targets = self.dice, self.targets()
        mode, silent = dice.choice(["", "+", "-"]), dice.random() < 0.5
        flags = frozenset(dice.sample(SETTABLE, dice.randint(0 if not mode else 1, 3)))
        since = None
        if self.kind.modseqs and dice.random() < 0.4:
            since = max(0, self.seen - dice.choice([0, 0, 1, 3, 20]))
        modifier = "" if since is None else f"(UNCHANGEDSINCE {since}) "
        before = dict(self.mailbox.known_flags)
        heard, whole = len(self.told), None not in self.mailbox.uids
        answer = await self.say(
            f"{'UID ' if targets.by_uid else ''}STORE {targets.text} {modifier}{mode}FLAGS{'.SILENT' if silent else ''}"
            f" ({' '.join(sorted(flags))})"
        )
        modified: set[int] = set()
        if (code := answer.code("MODIFIED")) is not None:
            if since is None:
                raise Broken("MODIFIED unasked")
            numbers = number_set(code.encode())
            if targets.by_uid:
                modified = set(numbers)
            else:
                modified = {uid for number in numbers if (uid := self.mailbox.uids[number - 1]) is not None}
            if whole and not modified <= targets.uids and targets.text != "1:*":
                raise Broken(f"MODIFIED names {modified - targets.uids}, which were not asked for")
            self.modified += [(uid, since) for uid in modified]
        told = {uid for uid, said, _ in self.told[heard:] if said is not None}
        if since is not None and not self.kind.notify:
            first: dict[int, int] = {}
            for uid, _, modseq in self.told[heard:]:
                if modseq is not None:
                    first.setdefault(uid, modseq)
            left = targets.uids - modified
            self.stored += [(uid, modseq, since) for uid, modseq in first.items() if uid in left]
        if silent:  # the client knows what it did, as far as it knew what was there
            change = frozenset(flag.encode() for flag in flags)
            for uid in targets.uids - modified - told:
                if uid in self.mailbox.known_flags and uid in before:
                    had = before[uid] - {b"\\Recent"}
                    now = had | change if mode == "+" else had - change if mode == "-" else change
                    self.mailbox.known_flags[uid] = now
            if self.kind.notify:  # what was told may have been on its way before the STORE was, or not
                for uid in told:
                    self.mailbox.known_flags.pop(uid, None)

    async def fetch(self) -> None:
        dice, targets = self.dice, self.targets()
        items = dice.choice(["(UID FLAGS)", "(UID FLAGS BODY.PEEK[])", "(UID ENVELOPE)", "(FLAGS)", "(BODY[])"])
        prefix = "UID " if targets.by_uid else ""
        if not self.kind.modseqs or dice.random() < 0.4:
            await self.say(f"{prefix}FETCH {targets.text} {items}")
            return
        since = max(1, self.mark - dice.choice([0, 1, 5, 30]))
        modseqs = dict(self.mailbox.modseqs)
        vanished = " VANISHED" if self.kind.qresync and targets.by_uid and dice.random() < 0.5 else ""
        heard = len(self.told)
        answer = await self.say(f"{prefix}FETCH {targets.text} (FLAGS) (CHANGEDSINCE {since}{vanished})")
        fetched = {uid for uid, _, _ in self.told[heard:]}
        for uid, _, modseq in self.told[heard:]:
            if modseq is not None and modseq <= since and not self.kind.notify:
                raise Broken(f"{uid} has not changed since {since}")
        if answer.ok or answer.done.code == "EXPUNGEISSUED":
            expected = {uid for uid in targets.uids if modseqs.get(uid, 0) > since}
            self.gone += [(f"CHANGEDSINCE {since} left it out", uid) for uid in expected - fetched]

    async def search(self) -> None:
        known = set(self.known())
        whole = None not in self.mailbox.uids
        match self.dice.randint(0, 4):
            case 0:
                answer = await self.say("UID SEARCH ALL", must=True)
                found = set(found_in(answer))
                if whole and not self.kind.notify and not found <= known:
                    raise Broken(f"SEARCH finds {found - known}, which nobody was told of")
                self.gone += [("SEARCH ALL left it out", uid) for uid in known - found]
            case 1:
                key = self.dice.choice(["ALL", "FLAGGED", "UNSEEN", "KEYWORD one", "UID 1:20"])
                answer = await self.say(f"UID SEARCH RETURN (SAVE ALL COUNT) {key}", must=True)
                assert answer.esearch is not None
                found_now = answer.esearch.get("ALL", [])
                assert isinstance(found_now, list)
                if answer.esearch["COUNT"] != len(found_now):
                    raise Broken("COUNT and ALL disagree")
                self.saved = set(found_now)
            case 2:
                answer = await self.say("UID SEARCH $", must=True)
                found = set(found_in(answer))
                if not found <= self.saved:
                    raise Broken(f"$ was {self.saved} and is {found}")
                self.gone += [("$ lacks it", uid) for uid in self.saved - found]
            case 3 if self.kind.modseqs:
                since = max(1, self.mark - self.dice.choice([0, 1, 5, 30]))
                modseqs = dict(self.mailbox.modseqs)
                answer = await self.say(f"UID SEARCH MODSEQ {since}", must=True)
                found = set(found_in(answer))
                expected = {uid for uid, modseq in modseqs.items() if modseq >= since}
                self.gone += [(f"MODSEQ {since} left it out", uid) for uid in expected - found]
            case _ if not self.kind.by_uid_only:
                answer = await self.say("SEARCH SEEN", must=True)
                if any(number > len(self.mailbox.uids) for number in found_in(answer)):
                    raise Broken("SEARCH finds a number that is not there")

    async def append(self) -> None:
        flags = " ".join(self.dice.sample(SETTABLE, self.dice.randint(0, 2)))
        if self.dice.random() < 0.3:
            await self.say(f"APPEND INBOX ({flags}) {{}} (\\Draft) {{}}", MESSAGE, MESSAGE, must=True)
        else:
            await self.say(f"APPEND INBOX ({flags}) {{}}", MESSAGE, must=True)

    async def replace(self) -> None:
        known = self.known()
        if self.kind.by_uid_only or self.dice.random() < 0.5:
            if known:
                await self.say(f"UID REPLACE {self.dice.choice(known)} INBOX (\\Draft) {{}}", MESSAGE)
        elif self.mailbox.uids:
            number = self.dice.randint(1, len(self.mailbox.uids))
            await self.say(f"REPLACE {number} INBOX (\\Draft) {{}}", MESSAGE)

    async def copy(self) -> None:
        targets = self.targets()
        await self.say(f"{'UID ' if targets.by_uid else ''}COPY {targets.text} {self.dice.choice(['INBOX', 'Trash'])}")

    async def move(self) -> None:
        targets = self.targets()
        await self.say(
            f"{'UID ' if targets.by_uid else ''}MOVE {targets.text} {self.dice.choice(['INBOX', 'Trash', 'Trash'])}"
        )

    async def expunge(self) -> None:
        if self.dice.random() < 0.5:
            await self.say("EXPUNGE", must=True)
            return
        targets = self.targets()
        if not targets.by_uid:
            await self.say(f"STORE {targets.text} +FLAGS (\\Deleted)")
            targets = Targets(",".join(map(str, sorted(targets.uids))) or "1:*", True, targets.uids)
        else:
            await self.say(f"UID STORE {targets.text} +FLAGS (\\Deleted)")
        answer = await self.say(f"UID EXPUNGE {targets.text}", must=True)
        self.gone += [("VANISHED named it", uid) for uid in answer.vanished]

    async def noop(self) -> None:
        await self.say(self.dice.choice(["NOOP", "CHECK"]), must=True)

    async def idle(self) -> None:
        self.log(self.name, "C: IDLE")
        tag = await self.client.idle()
        try:
            with contextlib.suppress(TimeoutError):
                for _ in range(self.dice.randint(1, 8)):
                    async with asyncio.timeout(IDLE_S):
                        news = await self.client.news()
                    self.log(self.name, f"S: {news.lines[0].decode('utf-8', 'replace')}")
            answer = await self.client.done(tag)
        finally:
            self._drain()
        self._heard(answer)
        if not answer.ok:
            raise Broken(f"IDLE ends with {answer.done}")
        self.mark = max(self.mark, self.seen)

    # held to the truth

    def judge(self, truth: Truth) -> None:
        """Everything that was claimed since the last time."""
        for uid, said, modseq in self.told:
            flags = None if said is None else said - {b"\\Recent"}
            place = truth.place(uid, flags, modseq, self.places.get(uid, 0))
            if place is None:
                raise Broken(
                    f"{uid} was said to have {said} MODSEQ {modseq}; it had, from what was told before on,"
                    f" {truth.states.get(uid, [])[self.places.get(uid, 0) :]}"
                )
            self.places[uid] = place
        for why, uid in self.gone:
            if uid not in truth.gone:
                raise Broken(f"{uid} is not gone, but {why}")
        for uid, since in self.modified:
            if not truth.has_changed_since(uid, since):
                raise Broken(f"MODIFIED names {uid}, which has not changed since {since}")
        for uid, modseq, since in self.stored:
            if not truth.was_stored_unchanged(uid, modseq, since):
                raise Broken(
                    f"{uid} had changed after {since} and was stored as MODSEQ {modseq}: {truth.states.get(uid)}"
                )
        self.told, self.gone, self.modified, self.stored = [], [], [], []
