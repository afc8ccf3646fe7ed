"""Conversations: THREAD=ORDEREDSUBJECT and THREAD=REFERENCES. RFC 5256 3, its steps by their numbers. Pure.

Promises: every message is in exactly one thread, once; no loop, whatever References say; nothing here goes deeper into
Python's stack the deeper a thread is; time and memory are bounded by the number of messages and of what they refer to.

Message-IDs are held as hashes of 64 bits, keyed anew in each process, so that a message takes some hundred octets here.

Known limits, all beyond what people write to each other: of one message MOST_REFERENCES references count, the first and
the last ones; messages that are referred to and not there are counted up to some for each that is there; where looking
for loops has taken very many steps, a new parent that could be one is not taken.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from ..mime.parts import Head
from .base_subject import base_subject
from .collation import collation_key
from .grammar.sort import Algorithm
from .message_ids import first_message_id, message_ids
from .sorting import sent_at, sorted_by

MOST_REFERENCES = 200
_DUMMIES_FOR_EACH = 8
_STEPS_FOR_EACH = 50
_NONE = -1


class Messages:
    """What threads are made of; messages are added in the order of their numbers."""

    def __init__(self, algorithm: Algorithm) -> None:
        self._algorithm = algorithm
        self.sent = array("d")
        self.subjects: list[str] = []  # collation keys of base subjects
        self.answers = bytearray()  # 1: a reply or forward
        self.ids = array("q")  # the hash of Message-ID; 0 where there is none
        self.references: list[array[int] | None] = []
        self._shared: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.sent)

    def add(self, internal_date: int, head: Head | None) -> None:
        """head: None where it does not read."""
        if head is None:
            subject, is_answer, own, references = "", False, None, []
            self.sent.append(float(internal_date))
        else:
            subject, is_answer = base_subject(head.envelope.subject)
            self.sent.append(sent_at(head, internal_date))
            if self._algorithm is Algorithm.REFERENCES:
                own, references = first_message_id(head.envelope.message_id), _references(head)
            else:
                own, references = None, []
        subject = collation_key(subject)
        self.subjects.append(self._shared.setdefault(subject, subject))
        self.answers.append(is_answer)
        self.ids.append(_hashed(own) if own is not None else 0)
        self.references.append(array("q", map(_hashed, references)) if references else None)


def _references(head: Head) -> list[bytes]:
    """Step 1 A: what References names, else the first of In-Reply-To."""
    found = list(message_ids(head.references)) if head.references else []
    if not found:
        answered = first_message_id(head.envelope.in_reply_to)
        return [] if answered is None else [answered]
    if len(found) > MOST_REFERENCES:
        found[1 : len(found) - MOST_REFERENCES + 1] = []
    return found


def _hashed(message_id: bytes) -> int:
    return hash(message_id) or 1


class Forest:
    """Threads of messages by their places; roots: their first messages. A dummy stands for a message that is not there, and
    has a place beyond all messages'. It can only be a root, of two children at least."""

    def __init__(self, count: int, roots: list[int], children: Callable[[int], Sequence[int]]) -> None:
        self.count = count
        self.roots = roots
        self.children = children

    def is_dummy(self, node: int) -> bool:
        return node >= self.count


def forest(algorithm: Algorithm, messages: Messages) -> Forest:
    match algorithm:
        case Algorithm.ORDEREDSUBJECT:
            return ordered_subject(messages)
        case Algorithm.REFERENCES:
            return _References(messages).forest()


def ordered_subject(messages: Messages) -> Forest:
    """One thread for each base subject: its first message, and all others as that one's children."""
    by_date = sorted_by(range(len(messages)), messages.sent.__getitem__)
    threads: dict[str, list[int]] = {}
    for place in by_date:
        threads.setdefault(messages.subjects[place], []).append(place)
    # A dict keeps the order in which its keys came: that of the threads' first messages.
    first = {thread[0]: thread[1:] for thread in threads.values()}
    return Forest(len(messages), list(first), lambda node: first.get(node, ()))


class _References:
    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._count = len(messages)
        self._parents = array("q", [_NONE]) * self._count
        self._places: dict[int, int] = {}  # hash of a Message-ID → node
        self._tree = array("q", range(self._count))  # union-find: nodes of different sets are in different trees
        self._steps_left = _STEPS_FOR_EACH * self._count + 1000
        self._children: defaultdict[int, list[int]] = defaultdict(list)
        self._roots: list[int] = []

    def forest(self) -> Forest:
        self._link_all()  # step 1
        self._gather()  # steps 2 and 3
        self._sort_roots()  # step 4
        self._merge_by_subject()  # step 5
        self._sort_all()  # step 6
        return Forest(self._count, self._roots, lambda node: self._children.get(node, ()))

    # step 1

    def _link_all(self) -> None:
        messages, places = self._messages, self._places
        for place in range(self._count):
            # Of several messages with the same Message-ID the first has it, the others one of their own.
            if messages.ids[place]:
                places.setdefault(messages.ids[place], place)
        most = self._count * (1 + _DUMMIES_FOR_EACH) + 1000
        for place in range(self._count):
            before = _NONE
            for reference in messages.references[place] or ():
                node = places.get(reference)
                if node is None:
                    if len(self._parents) >= most:
                        continue
                    node = places[reference] = len(self._parents)
                    self._parents.append(_NONE)
                    self._tree.append(node)
                if before != _NONE and self._parents[node] == _NONE and self._may_link(before, node):
                    self._link(before, node)
                before = node
            # Step 1 B: the last reference is the parent, whatever was thought before.
            if self._parents[place] != before:
                self._parents[place] = _NONE
                if before != _NONE and self._may_link(before, place):
                    self._link(before, place)

    def _link(self, parent: int, child: int) -> None:
        self._parents[child] = parent
        self._tree[self._top(child)] = self._top(parent)

    def _top(self, node: int) -> int:
        tree = self._tree
        while tree[node] != node:
            tree[node] = tree[tree[node]]
            node = tree[node]
        return node

    def _may_link(self, parent: int, child: int) -> bool:
        """The link would make no loop."""
        if parent == child:
            return False
        if self._top(parent) != self._top(child):
            return True
        while parent != _NONE and self._steps_left:
            if parent == child:
                return False
            parent = self._parents[parent]
            self._steps_left -= 1
        return parent == _NONE

    # steps 2 and 3

    def _gather(self) -> None:
        """Children are put under their parents, and dummies are left out: those under the root that have several stay."""
        children: defaultdict[int, list[int]] = defaultdict(list)
        roots: list[int] = []
        for node, parent in enumerate(self._parents):
            if parent == _NONE:
                roots.append(node)
            else:
                children[parent].append(node)
        for node in self._leaves_first(roots, children):
            if node in children:
                kept: list[int] = []
                for child in children[node]:
                    if child < self._count:
                        kept.append(child)
                    else:
                        kept += children.pop(child, ())
                children[node] = kept
        for node in roots:
            if node < self._count:
                self._roots.append(node)
                continue
            below = children.get(node, [])
            if len(below) > 1:
                self._roots.append(node)
            elif below:
                self._roots += below
                del children[node]
        self._children = children

    @staticmethod
    def _leaves_first(roots: Sequence[int], children: dict[int, list[int]]) -> Iterator[int]:
        order: list[int] = list(roots)
        at = 0
        while at < len(order):
            order += children.get(order[at], ())
            at += 1
        return reversed(order)

    # steps 4 to 6

    def _date(self, node: int) -> float:
        """A dummy goes by its first child, which is a message (step 4); its children are in order already."""
        return self._messages.sent[node if node < self._count else self._children[node][0]]

    def _in_order(self, siblings: Sequence[int]) -> list[int]:
        if len(siblings) < 2:
            return list(siblings)
        # Places are numbers: what was sent at the same moment goes by them (RFC 5256 2.2).
        return sorted_by(sorted_by(siblings, self._number), self._date)

    def _number(self, node: int) -> int:
        return node if node < self._count else self._children[node][0]

    def _sort_roots(self) -> None:
        for node in self._roots:
            if node >= self._count:
                self._children[node] = self._in_order(self._children[node])
        self._roots = self._in_order(self._roots)

    def _subject(self, node: int) -> tuple[str, bool]:
        """(the thread's subject, whether the message is a reply or forward)."""
        place = node if node < self._count else self._children[node][0]
        return self._messages.subjects[place], node < self._count and bool(self._messages.answers[place])

    def _merge_by_subject(self) -> None:
        table: dict[str, int] = {}
        for node in self._roots:
            subject, is_answer = self._subject(node)
            if not subject:
                continue
            there = table.setdefault(subject, node)
            if there == node or there >= self._count:
                continue
            if node >= self._count or (bool(self._messages.answers[there]) and not is_answer):
                table[subject] = node
        # What a root turns into: itself, or nothing where it has gone below another.
        roots: dict[int, None] = dict.fromkeys(self._roots)
        for node in self._roots:
            subject, is_answer = self._subject(node)
            there = table.get(subject, node) if subject else node
            if there == node:
                continue
            if there >= self._count:
                if node >= self._count:
                    self._children[there] += self._children.pop(node)
                else:
                    self._children[there].append(node)
                del roots[node]
            elif is_answer and not self._messages.answers[there]:
                self._children[there].append(node)
                del roots[node]
            else:
                dummy = len(self._parents)
                self._parents.append(_NONE)
                self._children[dummy] = [node, there]
                del roots[node], roots[there]
                roots[dummy] = None
                table[subject] = dummy
        self._roots = list(roots)

    def _sort_all(self) -> None:
        for node in self._leaves_first(self._roots, self._children):
            if len(below := self._children.get(node, ())) > 1:
                self._children[node] = self._in_order(below)
        self._roots = self._in_order(self._roots)


def rendered(forest: Forest, number: Callable[[int], int]) -> Iterator[bytes]:
    """thread-list after thread-list, in small pieces. number: what a message is called.

    RFC 5256 5: thread-list = "(" (thread-members / thread-nested) ")"; thread-members = nz-number *(SP nz-number)
    [SP thread-nested]; thread-nested = 2*thread-list.
    """
    for root in forest.roots:
        pieces: list[bytes] = []
        to_say: list[int | bytes] = [b")", root, b"("]
        while to_say:
            said = to_say.pop()
            if isinstance(said, bytes):
                pieces.append(said)
                continue
            below = forest.children(said)
            if not forest.is_dummy(said):
                pieces.append(b"%d" % number(said))
                if below:
                    pieces.append(b" ")
            if len(below) == 1:
                to_say.append(below[0])
            else:
                for child in reversed(below):
                    to_say += (b")", child, b"(")
        yield b"".join(pieces)
