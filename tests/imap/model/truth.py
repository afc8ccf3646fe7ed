"""What really was: every state that each message of one mailbox has been in, as the store's own writer saw it.

Triggers of the writer's connection write it down, in its memory only: nothing of it comes into the store's file.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from appliance.store.flags import to_names
from appliance.store.interface import Store
from appliance.store.messages import FlagRow, snapshot
from appliance.store.transaction import Tx

Flags = frozenset[bytes]


@dataclass(slots=True, frozen=True)
class State:
    modseq: int
    flags: Flags


@dataclass
class Truth:
    """states: by UID, in the order in which they were; gone: UIDs that are no more."""

    store: Store
    mailbox_id: int
    states: dict[int, list[State]] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)

    def begin(self) -> None:
        def watch(tx: Tx) -> None:
            tx.connection.execute("CREATE TEMP TABLE seen (uid, flags, keywords, modseq)")
            for name, when, row in (
                ("came", "AFTER INSERT", "NEW.uid, NEW.flags, NEW.keywords, NEW.modseq"),
                ("changed", "AFTER UPDATE", "NEW.uid, NEW.flags, NEW.keywords, NEW.modseq"),
                ("went", "AFTER DELETE", "OLD.uid, NULL, NULL, NULL"),
            ):
                side = row[:3]
                tx.connection.execute(
                    f"CREATE TEMP TRIGGER {name} {when} ON main.messages WHEN {side}.mailbox_id = {self.mailbox_id}"
                    f" BEGIN INSERT INTO seen VALUES ({row}); END"
                )

        self.store.write_now(watch)
        for row in self._stored():
            self._note(row)

    def catch_up(self) -> list[FlagRow]:
        """Reads what was written down since the last time; returns the mailbox as it is now."""

        def take(tx: Tx) -> list[FlagRow]:
            rows = tx.connection.execute("SELECT * FROM seen ORDER BY rowid").fetchall()
            tx.connection.execute("DELETE FROM seen")
            return rows

        for row in self.store.write_now(take):
            self._note(row)
        return self._stored()

    def _stored(self) -> list[FlagRow]:
        return self.store.read_now(lambda connection: snapshot(connection, self.mailbox_id))

    def _note(self, row: FlagRow) -> None:
        uid, bits, keywords, modseq = row
        if modseq is None:
            self.gone.add(uid)
        else:
            self.states.setdefault(uid, []).append(State(modseq, flags_of(bits, keywords)))

    # claims

    def place(self, uid: int, flags: Flags | None, modseq: int | None, start: int) -> int | None:
        """The first state from `start` on that a client may have been told of with these words."""
        states = self.states.get(uid, [])
        for place in range(start, len(states)):
            fits = flags is None or states[place].flags == flags
            if fits and modseq in (None, states[place].modseq):
                return place
        return None

    def was_stored_unchanged(self, uid: int, modseq: int, since: int) -> bool:
        """STORE with UNCHANGEDSINCE left the message with this MODSEQ: before it, nothing had changed after `since`."""
        before = 0
        for state in self.states.get(uid, []):
            if state.modseq == modseq:
                return modseq <= since or before <= since
            before = state.modseq
        return False

    def has_changed_since(self, uid: int, since: int) -> bool:
        return any(state.modseq > since for state in self.states.get(uid, []))


def flags_of(bits: int, keywords: str) -> Flags:
    return frozenset(name.encode() for name in to_names(bits, keywords))
