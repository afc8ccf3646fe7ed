"""Many clients on one mailbox, of every kind, held to a model: `python -m tests.imap.model --minutes 10`."""
