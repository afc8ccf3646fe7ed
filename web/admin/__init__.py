"""The owner's pages: is everything well, accounts, the queue, where a message is, what to publish.

`panels.py` turns what is known into what is shown; `live.py` keeps an open page up to date; the views only read forms,
call a room and render.
"""
