"""Where mail is kept: accounts, mailboxes, messages, the queue. SQLite, one directory, kind to an SD card.

`interface.py` is the only door: `Store.write(change)` and `Store.read(query)`. Modules named by a noun turn rows into
values; `changes/` holds what the writer runs. This room knows no wire format and decides nothing about mail. It may
import mail/, mime/ and status/ (whose events it publishes after a commit).
"""
