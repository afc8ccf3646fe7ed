"""The real server on a simulated card whose power is cut under load: what was acknowledged is there, once and whole.

`python -m tests.power --cuts 100` (`make test-power`) cuts many times and prints figures; `test_cuts.py` cuts a few times
with every run of the tests. `letters.py` writes the mail, `ledger.py` keeps what was acknowledged and compares,
`clients.py` are the load, `server.py` is the server, `course.py` goes from one cut to the next.
"""
