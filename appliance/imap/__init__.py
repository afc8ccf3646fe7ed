"""IMAP4rev1: mail programs read and order their mail. RFC 3501 and the extensions that `capabilities.py` names.

`grammar/` turns octets into commands, `machine.py` says what may come when, `view.py` is the mailbox as one client
knows it, `search.py` the matcher, `render.py` turns answers into octets: all of these are pure. `commands/` runs one
verb against the store, `session.py` is one connection, `server.py` all of them. This room decides nothing about mail
that comes or goes. It may import accounts/, store/, status/, sasl/, mime/, wire/ and mail/.
"""
