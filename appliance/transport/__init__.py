"""The way out: where a message goes next, over which connection, and what the other server's words mean.

`next_hop.py`, `tls_policy.py`, `interpret.py`, `parameters.py` and `dot_stuffing.py` are pure; `connection.py` and
`transaction.py` speak SMTP through aiosmtplib; `deliver.py` is the door: `Deliverer.deliver(job)` tries once and tells
what became of each recipient. Never retries, never touches the store: that is queue/'s. `sign.py` makes DKIM keys and
signatures. May import dns/, config/, status/events, mime/ and mail/.
"""
