"""POP3: mail programs fetch the INBOX, and delete from it when they say goodbye. RFC 1939 and what CAPA names.

`grammar.py` turns a line into a command and answers into lines, `machine.py` says what may come when; both are pure.
`maildrop.py` is the INBOX as it stood at sign-in and the lock on it, `session.py` one connection, `server.py` all of
them. This room decides nothing about mail that comes, and deletes nothing but at QUIT. It may import accounts/, store/,
status/, sasl/, wire/ and mail/.
"""
