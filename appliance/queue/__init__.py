"""Mail that waits to go out: whose turn it is, when to try again, when to give up, and what the owner may do.

`retry_schedule.py`, `due.py` and `concurrency.py` are pure; `runner.py` is the loop over them, between the store's rows
and transport/; `reports.py` turns outcomes into delivery reports; `verbs.py` is the owner's hand. This room never opens
a connection and never parses a message. May import transport/, dsn/, store/, status/, mime/ and mail/.
"""
