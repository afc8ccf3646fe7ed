"""The part of mending that is about accounts and mailboxes: each message has a mailbox, each mailbox an account, and what
mail programs know of either stays true or is told to be otherwise. See `mend.py`."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from typing import Any

from .changes.mailboxes import FIRST_MAILBOXES
from .losses import Lost, Report
from .mailboxes import INBOX
from .owners import Owners, addressed_to, structure_of
from .salvage import NO_PASSWORD, Salvage

RECOVERED = "Recovered"
UIDS_NAMED_MOST = 2000  # missing UIDs of one mailbox that are told one by one


class Mailboxes:
    """lost_of: by mailbox; renumbered: those with a new UIDVALIDITY; made_up: those whose owner is a guess; rest: the account that gets what nobody owns."""

    def __init__(self, new: sqlite3.Connection, noticed: Salvage, report: Report, recovered_to: str | None) -> None:
        self._new = new
        self._noticed = noticed
        self._recovered_to = recovered_to
        self.report = report
        self.now = int(time.time())
        self.lost_of: Counter[int] = Counter()
        self.renumbered: set[int] = set()
        self.made_up: set[int] = set()
        self._raised: set[int] = set()
        self.rest: int | None = None
        self.owners = Owners(new)

    def keep_ids(self) -> None:
        """No id is given anew that something refers to."""
        for name, used_by in (
            ("accounts", "SELECT max(account_id) FROM mailboxes"),
            ("mailboxes", "SELECT max(mailbox_id) FROM messages"),
        ):
            last = max(self._noticed.highest.get(name, 0), self.one(used_by) or 0)
            self._new.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
            self._new.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (name, last))
            self._noticed.highest[name] = last

    def give_accounts(self) -> None:
        for (account_id,) in self._new.execute(
            "SELECT DISTINCT account_id FROM mailboxes WHERE account_id NOT IN (SELECT id FROM accounts)"
        ).fetchall():
            address = self._address_of(account_id)
            self._new.execute(
                "INSERT INTO accounts (id, address, password_hash, created_at) VALUES (?, ?, ?, ?)",
                (account_id, address, NO_PASSWORD, self.now),
            )
            self._noticed.without_password.add(account_id)
            self.report.lost.append(Lost("the account's own row; its name may be another one", account=address))
        for account_id in sorted(self._noticed.without_password):
            address = self.address(account_id)
            self.report.lost.append(Lost("the password", account=address))
            self.report.to_do.append(f"Set a password: merpati account passwd {address}")
        for (account_id,) in self._new.execute("SELECT id FROM accounts ORDER BY id").fetchall():
            highest = self.one("SELECT max(uidvalidity) FROM mailboxes WHERE account_id = ?", account_id) or 0
            self._new.execute(
                "UPDATE accounts SET last_uidvalidity = max(last_uidvalidity, ?) WHERE id = ?", (highest, account_id)
            )
            names = {
                name for (name,) in self._new.execute("SELECT name FROM mailboxes WHERE account_id = ?", (account_id,))
            }
            if INBOX not in names:
                for name, special_use in FIRST_MAILBOXES:
                    if name not in names:
                        self.make(account_id, name, special_use)
        for (mailbox_id,) in self._new.execute("SELECT id FROM mailboxes").fetchall():
            if mailbox_id in self._noticed.uncertain_mailboxes:
                self._renumber(mailbox_id)

    def _address_of(self, account_id: int) -> str:
        """What most of the mail in its INBOX was addressed to, else a made-up one."""
        seen: Counter[str] = Counter()
        for (prefix,) in self._new.execute(
            "SELECT b.prefix FROM messages JOIN mailboxes x ON x.id = mailbox_id JOIN blobs b ON b.id = blob_id"
            " WHERE account_id = ? AND name = 'INBOX'",
            (account_id,),
        ):
            if (address := addressed_to(prefix)) is not None:
                seen[address] += 1
        for address, _ in seen.most_common():
            if not self.one(
                "SELECT (SELECT count(*) FROM accounts WHERE address = ?1) + (SELECT count(*) FROM aliases WHERE address = ?1)",
                address,
            ):
                return address
        domain = (
            self.one("SELECT substr(address, instr(address, '@') + 1) FROM accounts LIMIT 1") or "recovered.invalid"
        )
        return f"recovered-{account_id}@{domain}"

    def _account_for(self, mailbox_id: int) -> int | None:
        """A new one, for whom the messages of a mailbox were addressed to, if they name one."""
        seen: Counter[str] = Counter()
        for (prefix,) in self._new.execute(
            "SELECT prefix FROM messages JOIN blobs ON id = blob_id WHERE mailbox_id = ?", (mailbox_id,)
        ):
            if (named_by_us := addressed_to(prefix)) is not None:
                seen[named_by_us] += 1
        if not seen:
            return None
        address = seen.most_common(1)[0][0]
        self._new.execute(
            "INSERT INTO accounts (address, password_hash, created_at) VALUES (?, ?, ?)",
            (address, NO_PASSWORD, self.now),
        )
        account_id = int(self.one("SELECT id FROM accounts WHERE address = ?", address))
        for name, special_use in FIRST_MAILBOXES:
            self.make(account_id, name, special_use)
        self.owners = Owners(self._new)
        self.report.lost.append(Lost("the account's own row and its password", account=address))
        self.report.to_do.append(f"Set a password: merpati account passwd {address}")
        return account_id

    def choose_who_gets_the_rest(self) -> None:
        if self._recovered_to is not None:
            self.rest = self.one("SELECT id FROM accounts WHERE address = ?", self._recovered_to)
            if self.rest is None:
                self.report.notes.append(f"There is no account {self._recovered_to}, so its share was exported.")

    def give_messages_mailboxes(self) -> None:
        """Those of a mailbox that is not known go together into a new one of the same id, if they say whose they are."""
        for (mailbox_id,) in self._new.execute(
            "SELECT DISTINCT mailbox_id FROM messages WHERE mailbox_id NOT IN (SELECT id FROM mailboxes)"
        ).fetchall():
            seen: Counter[int] = Counter()
            for prefix, structure in self._new.execute(
                "SELECT prefix, structure FROM messages JOIN blobs ON id = blob_id WHERE mailbox_id = ?", (mailbox_id,)
            ):
                seen.update(self.owners.of(prefix, structure_of(structure)))
            account_id = seen.most_common(1)[0][0] if seen else self.rest
            if account_id is None and "accounts" in self._noticed.hurt:
                account_id = self._account_for(mailbox_id)
            if account_id is None:  # each alone then, from its content
                self._new.execute("DELETE FROM messages WHERE mailbox_id = ?", (mailbox_id,))
                continue
            name = f"{RECOVERED} {mailbox_id}"
            self.make(account_id, name, None, mailbox_id)
            self.renumbered.add(mailbox_id)
            self.made_up.add(mailbox_id)
            self.report.lost.append(Lost("the name of a mailbox", account=self.address(account_id), mailbox=name))
        self._new.execute("DELETE FROM expunged WHERE mailbox_id NOT IN (SELECT id FROM mailboxes)")
        # A UID that was expunged is never given again: a row from an old page that has one is out of date.
        gone = "SELECT 1 FROM {} o WHERE o.mailbox_id = {}.mailbox_id AND o.uid = {}.uid"
        self._new.execute(
            "DELETE FROM messages WHERE EXISTS (" + gone.format("uncertain", "messages", "messages") + ")"
            " AND EXISTS (" + gone.format("expunged", "messages", "messages") + ")"
        )
        self._new.execute("DELETE FROM expunged WHERE EXISTS (" + gone.format("messages", "expunged", "expunged") + ")")

    def tell_missing_uids(self) -> None:
        """A mailbox says how many messages it had and which UIDs it gave: what is missing is told to mail programs as
        expunged."""
        if "messages" not in self._noticed.hurt and not self._noticed.log_is_hurt:
            return
        for mailbox_id, account_id, name, uidnext, had in self._new.execute(
            "SELECT id, account_id, name, uidnext, messages FROM mailboxes ORDER BY id"
        ).fetchall():
            there = {
                uid for (uid,) in self._new.execute("SELECT uid FROM messages WHERE mailbox_id = ?", (mailbox_id,))
            }
            missing = had - len(there) - self.lost_of[mailbox_id]
            if missing <= 0:
                continue
            known = there | {
                uid for (uid,) in self._new.execute("SELECT uid FROM expunged WHERE mailbox_id = ?", (mailbox_id,))
            }
            address = self.address(account_id)
            self.lost_of[mailbox_id] += missing
            if uidnext - 1 - len(known) > UIDS_NAMED_MOST + missing:  # mail programs shall look for themselves
                self.report.lost.append(Lost(f"{missing} messages", address, name))
                self._renumber(mailbox_id)
                continue
            gaps = [uid for uid in range(1, uidnext) if uid not in known]
            what = "the message is gone" if len(gaps) <= missing else "the message is gone, or was deleted before"
            for uid in gaps:
                self.report.lost.append(Lost(what, address, name, uid))
                self.expunge(mailbox_id, uid)

    def date_tombstones_anew(self) -> None:
        """Where some may be lost, the others must not say that memory is whole from the oldest of them on: a client that
        comes back is told of every UID that is missing then (`messages.gone_since`)."""
        if "expunged" not in self._noticed.hurt and not self._noticed.log_is_hurt:
            return
        self._new.execute(
            "UPDATE mailboxes SET highest_modseq = highest_modseq + 1 WHERE id IN (SELECT mailbox_id FROM expunged)"
        )
        self._new.execute(
            "UPDATE OR REPLACE expunged SET modseq = (SELECT highest_modseq FROM mailboxes WHERE id = mailbox_id)"
        )

    def make(self, account_id: int, name: str, special_use: str | None, id: int | None = None) -> int:
        made = self._new.execute(
            "INSERT INTO mailboxes (id, account_id, name, uidvalidity, special_use) VALUES (?, ?, ?, ?, ?)",
            (id, account_id, name, self._next_uidvalidity(account_id), special_use),
        ).lastrowid
        assert made is not None
        self._new.execute("INSERT OR IGNORE INTO subscriptions VALUES (?, ?)", (account_id, name))
        return made

    def _renumber(self, mailbox_id: int) -> None:
        account_id = self.one("SELECT account_id FROM mailboxes WHERE id = ?", mailbox_id)
        if mailbox_id not in self.renumbered:
            # What is there now keeps its unique-ids of POP3; a UID that is given from here on may be one that was given
            # before and is not known any more, so its message gets one of the new UIDVALIDITY.
            self._new.execute(
                "INSERT OR IGNORE INTO unique_id_epochs SELECT m.id, max(uid) + 1, uidvalidity"
                " FROM mailboxes m JOIN messages ON mailbox_id = m.id WHERE m.id = ? GROUP BY m.id",
                (mailbox_id,),
            )
        self._new.execute(
            "UPDATE mailboxes SET uidvalidity = ? WHERE id = ?", (self._next_uidvalidity(account_id), mailbox_id)
        )
        self.renumbered.add(mailbox_id)

    def _next_uidvalidity(self, account_id: int) -> int:
        last = self.one("SELECT last_uidvalidity FROM accounts WHERE id = ?", account_id)
        value = max(self.now, last + 1)
        if value >= 1 << 32:  # a damaged one; this one is not higher, but another
            value = self.now
        self._new.execute("UPDATE accounts SET last_uidvalidity = ? WHERE id = ?", (value, account_id))
        return int(value)

    def expunge(self, mailbox_id: int, uid: int) -> None:
        self._new.execute("DELETE FROM messages WHERE mailbox_id = ? AND uid = ?", (mailbox_id, uid))
        if mailbox_id not in self._raised:  # its messages may have more than its row knows of; asked once
            self._raised.add(mailbox_id)
            highest = self.one("SELECT coalesce(max(modseq), 0) FROM messages WHERE mailbox_id = ?", mailbox_id)
            self._new.execute(
                "UPDATE mailboxes SET highest_modseq = max(highest_modseq, ?) WHERE id = ?", (highest, mailbox_id)
            )
        ((modseq,),) = self._new.execute(
            "UPDATE mailboxes SET highest_modseq = highest_modseq + 1 WHERE id = ? RETURNING highest_modseq",
            (mailbox_id,),
        ).fetchall()
        self._new.execute("INSERT INTO expunged VALUES (?, ?, ?)", (mailbox_id, modseq, uid))

    def accounts_with(self, blob_id: int) -> set[int]:
        return {
            account_id
            for (account_id,) in self._new.execute(
                "SELECT account_id FROM messages JOIN mailboxes ON id = mailbox_id WHERE blob_id = ?", (blob_id,)
            )
        }

    def address(self, account_id: int) -> str:
        return str(self.one("SELECT address FROM accounts WHERE id = ?", account_id))

    def one(self, sql: str, *values: object) -> Any:
        """The first column of the first row; None where there is no row."""
        row = self._new.execute(sql, values).fetchone()
        return row[0] if row is not None else None
