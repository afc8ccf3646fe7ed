"""A random sequence of operations, by two stores on one home, agrees with a plain model after every step.

UIDs only grow, MODSEQ never goes back, a UIDVALIDITY is one mailbox's for ever, contents come back octet for octet, and
whatever was reopened, counted, copied or dropped in between, the store is consistent.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from appliance.store import segments
from appliance.store.changes import flags as flag_changes
from appliance.store.changes import mailboxes as mailbox_changes
from appliance.store.changes import messages as message_changes
from appliance.store.changes import queue as queue_changes
from appliance.store.changes.accounts import add_account
from appliance.store.changes.delivery import DeliveryPlan, Dispatch, Filing, Forwarding, deliver
from appliance.store.check import check
from appliance.store.flags import DELETED, SEEN, to_bits
from appliance.store.interface import Store
from appliance.store.mailboxes import list_mailboxes
from appliance.store.messages import rows, snapshot
from appliance.store.queue_rows import State, all_messages, all_recipients
from appliance.store.refusals import MailboxExists, MailboxFixed, NoSuchMailbox
from tests.support import strategies
from tests.support.stores import INTERNAL_DATE, octets_of

NAMES = ("INBOX", "Sent", "a", "a/b", "a/b/c", "b", "INBOX/x")
SIZES = (0, 1, 700, 40_000, 60_000, 300_000)  # the last two go to a segment, the last one in two frames


def contents() -> st.SearchStrategy[bytes]:
    """Incompressible, so that sizes are what they seem; sometimes the same one again."""
    return strategies.messages | st.builds(
        lambda seed, size: random.Random(seed).randbytes(size), st.integers(0, 3), st.sampled_from(SIZES)
    )


@dataclass
class Message:
    octets: bytes
    flags: int = 0
    keywords: str = ""


@dataclass
class Box:
    uidvalidity: int
    messages: dict[int, Message] = field(default_factory=dict)
    uidnext: int = 1
    modseq: int = 1


@dataclass
class Queued:
    octets: bytes
    recipients: dict[int, State] = field(default_factory=dict)


class StoreAgainstModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(segments, "SEGMENT_OCTETS", 512 * 1024)  # several of them
        self.folder = Path(tempfile.mkdtemp(prefix="store-model-"))
        self.boxes: dict[str, Box] = {}
        self.queue: dict[int, Queued] = {}
        self.validities: set[int] = set()

    @initialize()
    def begin(self) -> None:
        self.stores = [self._open(), self._open()]
        self.turn = 0
        self.account = self.stores[0].write_now(add_account("bob@example.org", "hash"))
        for mailbox in self.store.read_now(lambda c: list_mailboxes(c, self.account.id)):
            self._new_box(mailbox.name, mailbox.uidvalidity)

    def _open(self) -> Store:
        return Store(self.folder / "home", scratch=self.folder)

    @property
    def store(self) -> Store:
        """The two take turns, as two processes would."""
        self.turn ^= 1
        return self.stores[self.turn]

    def _new_box(self, name: str, uidvalidity: int) -> None:
        assert uidvalidity not in self.validities, "a UIDVALIDITY came back"
        self.validities.add(uidvalidity)
        self.boxes[name] = Box(uidvalidity)

    def _id(self, name: str) -> int:
        (found,) = [m.id for m in self.store.read_now(lambda c: list_mailboxes(c, self.account.id)) if m.name == name]
        return found

    def _some(self, data: st.DataObject, name: str) -> list[int]:
        """Some UIDs that are there, perhaps one that is not."""
        uids = [*self.boxes[name].messages, self.boxes[name].uidnext]
        return data.draw(st.lists(st.sampled_from(uids), max_size=6, unique=True))

    def _box(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.boxes)))

    def _filed(self, name: str, message: Message, uid: int) -> None:
        box = self.boxes[name]
        assert uid >= box.uidnext
        box.messages[uid] = message
        box.uidnext = uid + 1

    # ---- messages

    @rule(data=st.data(), new=st.lists(contents(), min_size=1, max_size=3), names=strategies.flag_names)
    def append(self, data: st.DataObject, new: list[bytes], names: set[str]) -> None:
        name, (flags, keywords) = self._box(data), to_bits(names)
        store = self.store
        batch = [message_changes.NewMessage(store.spool_bytes(o), flags, keywords, INTERNAL_DATE) for o in new]
        uidvalidity, uids = store.write_now(message_changes.append(self._id(name), batch))
        for message in batch:
            message.content.discard()
        assert uidvalidity == self.boxes[name].uidvalidity
        for uid, octets in zip(uids, new, strict=True):
            self._filed(name, Message(octets, flags, keywords), uid)

    @rule(
        data=st.data(),
        octets=contents(),
        prefix=st.sampled_from([b"", b"Return-Path: <>\r\n"]),
        copies=st.integers(0, 3),
        remote=st.integers(0, 3),
    )
    def deliver(self, data: st.DataObject, octets: bytes, prefix: bytes, copies: int, remote: int) -> None:
        """To several mailboxes and to several recipients elsewhere, or to none at all."""
        store = self.store
        names = [data.draw(st.sampled_from([*sorted(self.boxes), "nowhere"])) for _ in range(copies)]
        forwardings = tuple(Forwarding(f"{n}@elsewhere.example", "elsewhere.example") for n in range(remote))
        plan = DeliveryPlan(
            trace_id="trace",
            content=store.spool_bytes(octets),
            prefix=prefix,
            internal_date=INTERNAL_DATE,
            filings=tuple(Filing(self.account.id, "bob", "bob", name) for name in names),
            dispatches=(Dispatch("bob@example.org", forwardings, b"Received: x\r\n"),) if remote else (),
        )
        store.write_now(deliver(plan))
        plan.content.discard()
        for name in names:
            there = name if name in self.boxes else "INBOX"
            self._filed(there, Message(prefix + octets), self.boxes[there].uidnext)
        if remote:
            (queued,) = [m for m in store.read_now(all_messages) if m.id not in self.queue]
            ids = [r.id for r in store.read_now(all_recipients) if r.message_id == queued.id]
            assert len(ids) == remote
            self.queue[queued.id] = Queued(octets, dict.fromkeys(ids, State.WAITING))

    @rule(data=st.data(), move=st.booleans())
    def copy_or_move(self, data: st.DataObject, move: bool) -> None:
        source, target = self._box(data), self._box(data)
        uids = self._some(data, source)
        verb = message_changes.move if move else message_changes.copy
        uidvalidity, pairs = self.store.write_now(verb(self._id(source), uids, self._id(target)))
        assert uidvalidity == self.boxes[target].uidvalidity
        assert [a for a, _ in pairs] == sorted(uid for uid in uids if uid in self.boxes[source].messages)
        for old, new in pairs:
            message = self.boxes[source].messages[old]
            self._filed(target, Message(message.octets, message.flags, message.keywords), new)
            if move:
                del self.boxes[source].messages[old]

    @rule(data=st.data(), mode=st.sampled_from("+-="), names=strategies.flag_names, durable=st.booleans())
    def flag(self, data: st.DataObject, mode: str, names: set[str], durable: bool) -> None:
        name, (flags, keywords) = self._box(data), to_bits(names)
        uids, box = self._some(data, name), self.boxes[name]
        change = flag_changes.store_flags(self._id(name), uids, mode, flags, keywords)
        now = self.store.write_now(change, durable=durable)
        for uid in [uid for uid in uids if uid in box.messages]:
            message = box.messages[uid]
            had, given = set(message.keywords.split()), set(keywords.split())
            match mode:
                case "+":
                    message.flags, had = message.flags | flags, had | given
                case "-":
                    message.flags, had = message.flags & ~flags, had - given
                case _:
                    message.flags, had = flags, given
            message.keywords = " ".join(sorted(had, key=str.lower))
        assert [(u, f, k) for u, f, k, _ in now] == [
            (uid, box.messages[uid].flags, box.messages[uid].keywords) for uid in uids if uid in box.messages
        ]

    @rule(data=st.data(), everything=st.booleans())
    def expunge(self, data: st.DataObject, everything: bool) -> None:
        name = self._box(data)
        uids = None if everything else self._some(data, name)
        gone = self.store.write_now(message_changes.expunge(self._id(name), uids))
        deleted = [u for u, m in self.boxes[name].messages.items() if m.flags & DELETED and (uids is None or u in uids)]
        assert gone == sorted(deleted)
        for uid in gone:
            del self.boxes[name].messages[uid]

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        name = self._box(data)
        uids = self._some(data, name)
        gone = self.store.write_now(message_changes.remove(self._id(name), uids))
        assert sorted(gone) == sorted(uid for uid in uids if uid in self.boxes[name].messages)
        for uid in gone:
            del self.boxes[name].messages[uid]

    # ---- mailboxes

    @rule(name=st.sampled_from(NAMES))
    def create(self, name: str) -> None:
        if name in self.boxes:
            with pytest.raises(MailboxExists):
                self.store.write_now(mailbox_changes.create_mailbox(self.account.id, name))
            return
        self.store.write_now(mailbox_changes.create_mailbox(self.account.id, name))
        self._meet_new_boxes(_levels(name))

    @rule(old=st.sampled_from(NAMES), new=st.sampled_from(NAMES))
    def rename(self, old: str, new: str) -> None:
        below = [name for name in self.boxes if name == old or (name.startswith(old + "/") and old != "INBOX")]
        if not below:
            expected: type[Exception] | None = NoSuchMailbox
        elif new in self.boxes:
            expected = MailboxExists
        elif new.startswith(old + "/") and old != "INBOX":
            expected = MailboxFixed
        elif any(new + name[len(old) :] in self.boxes.keys() - set(below) for name in below):
            expected = MailboxExists
        else:
            expected = None
        change = mailbox_changes.rename_mailbox(self.account.id, old, new)
        if expected is not None:
            with pytest.raises(expected):
                self.store.write_now(change)
            return
        self.store.write_now(change)
        if old == "INBOX":
            moved = self.boxes["INBOX"].messages
            self._meet_new_boxes(_levels(new))
            for uid, message in zip(range(1, len(moved) + 1), moved.values(), strict=True):
                self._filed(new, message, uid)
            self.boxes["INBOX"].messages = {}
            return
        moved_boxes = {new + name[len(old) :]: self.boxes.pop(name) for name in below}
        self.boxes |= moved_boxes
        self._meet_new_boxes(_levels(new)[:-1])  # there is one of that name only where one was renamed to it

    def _meet_new_boxes(self, names: Sequence[str]) -> None:
        there = {m.name: m.uidvalidity for m in self.store.read_now(lambda c: list_mailboxes(c, self.account.id))}
        for name in names:
            if name not in self.boxes:
                self._new_box(name, there[name])

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        expected = MailboxFixed if name == "INBOX" else NoSuchMailbox if name not in self.boxes else None
        change = mailbox_changes.delete_mailbox(self.account.id, name)
        if expected is not None:
            with pytest.raises(expected):
                self.store.write_now(change)
            return
        self.store.write_now(change)
        del self.boxes[name]

    @rule(data=st.data())
    def take_recent(self, data: st.DataObject) -> None:
        name = self._box(data)
        first = self.store.write_now(mailbox_changes.take_recent(self._id(name)), durable=False)
        assert first <= self.boxes[name].uidnext
        assert self.store.write_now(mailbox_changes.take_recent(self._id(name))) == self.boxes[name].uidnext

    # ---- the queue

    def _queued(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from([*self.queue, 9999]))

    def _recipients(self, data: st.DataObject) -> list[int]:
        ids = [i for queued in self.queue.values() for i in queued.recipients]
        return data.draw(st.lists(st.sampled_from([*ids, 9999]), max_size=5, unique=True))

    @rule(data=st.data())
    def try_and_settle(self, data: st.DataObject) -> None:
        waiting = {i for q in self.queue.values() for i, state in q.recipients.items() if state is State.WAITING}
        ids = self._recipients(data)
        tried = self.store.write_now(queue_changes.note_attempt(ids, 2e9, 1e9))
        assert set(tried) == waiting & set(ids)
        gone = [i for i in tried if data.draw(st.booleans())]
        put_off = [queue_changes.PutOff(i, "450 later", "mx", 3e9) for i in tried if i not in gone]
        self.store.write_now(queue_changes.settle(gone=gone, put_off=put_off, warned=[p.recipient_id for p in put_off]))
        self._gone(gone)

    def _gone(self, recipient_ids: Sequence[int]) -> None:
        for message_id, queued in [*self.queue.items()]:
            for recipient_id in recipient_ids:
                queued.recipients.pop(recipient_id, None)
            if not queued.recipients:
                del self.queue[message_id]

    @rule(data=st.data(), verb=st.sampled_from(["hold", "release", "flush", "remove"]))
    def queue_verb(self, data: st.DataObject, verb: str) -> None:
        message_id = self._queued(data)
        count = self.store.write_now(getattr(queue_changes, verb)(message_id))
        states = self.queue[message_id].recipients if message_id in self.queue else {}
        affected = {"hold": State.WAITING, "release": State.HELD, "flush": State.WAITING}.get(verb)
        assert count == sum(affected in (None, state) for state in states.values())
        match verb:
            case "hold":
                states.update(dict.fromkeys(states, State.HELD))
            case "release":
                states.update(dict.fromkeys(states, State.WAITING))
            case "remove":
                self.queue.pop(message_id, None)

    # ---- reading, closing

    @rule(data=st.data())
    @precondition(lambda self: any(box.messages for box in self.boxes.values()))
    def read_a_part(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(name for name, box in self.boxes.items() if box.messages)))
        uid = data.draw(st.sampled_from(sorted(self.boxes[name].messages)))
        store = self.store
        (row,) = store.read_now(lambda c: rows(c, self._id_in(c, name), [uid], structure=True))
        whole = self.boxes[name].messages[uid].octets[len(row.prefix) :]
        start = data.draw(st.integers(0, len(whole) + 10))
        length = data.draw(st.none() | st.integers(0, len(whole) + 10))
        part = b"".join(store.content(row.blob_id).pieces(start, length))
        assert part == whole[start:][: len(whole) if length is None else length]

    def _id_in(self, connection: Any, name: str) -> int:
        (found,) = [m.id for m in list_mailboxes(connection, self.account.id) if m.name == name]
        return found

    @rule(which=st.sampled_from([0, 1, 2]))
    def reopen(self, which: int) -> None:
        for n in {0: [0], 1: [1], 2: [0, 1]}[which]:
            self.stores[n].close()
        for n in {0: [0], 1: [1], 2: [0, 1]}[which]:
            self.stores[n] = self._open()

    @invariant()
    def mailboxes_agree(self) -> None:
        if not self.boxes:
            return
        store = self.store

        def look(connection: Any) -> list[tuple[Any, Any]]:
            return [(m, snapshot(connection, m.id)) for m in list_mailboxes(connection, self.account.id)]

        seen = store.read_now(look)
        assert {m.name for m, _ in seen} == set(self.boxes)
        for mailbox, found in seen:
            box = self.boxes[mailbox.name]
            assert mailbox.uidvalidity == box.uidvalidity
            assert mailbox.uidnext == box.uidnext
            assert mailbox.highest_modseq >= box.modseq
            box.modseq = mailbox.highest_modseq
            assert [(u, f, k) for u, f, k, _ in found] == [
                (uid, message.flags, message.keywords) for uid, message in sorted(box.messages.items())
            ]
            assert mailbox.messages == len(box.messages)
            assert mailbox.unseen == sum(not m.flags & SEEN for m in box.messages.values())
            assert mailbox.size_octets == sum(len(m.octets) for m in box.messages.values())

    @invariant()
    def queue_agrees(self) -> None:
        if not self.boxes:
            return
        states = {(r.message_id, r.id): r.state for r in self.store.read_now(all_recipients)}
        assert states == {(m, r): state for m, q in self.queue.items() for r, state in q.recipients.items()}

    def teardown(self) -> None:
        try:
            if self.boxes:
                self._everything_is_there()
        finally:
            for store in getattr(self, "stores", []):
                store.close()
            self.patch.undo()
            shutil.rmtree(self.folder)

    def _everything_is_there(self) -> None:
        store = self.store
        for name, box in self.boxes.items():
            mailbox_id = self._id(name)
            uids = sorted(box.messages)
            for row in store.read_now(lambda c, i=mailbox_id, u=uids: rows(c, i, u)):
                assert row.prefix + octets_of(store.content(row.blob_id)) == box.messages[row.uid].octets
                assert row.size_octets == len(box.messages[row.uid].octets)
        for message in store.read_now(all_messages):
            assert octets_of(store.content(message.blob_id)) == self.queue[message.id].octets
        assert check(store) == []


def _levels(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]


TestStoreAgainstModel = StoreAgainstModel.TestCase
TestStoreAgainstModel.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
