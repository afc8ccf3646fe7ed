"""Delivery reports: what the reverse-path is told when mail is late, has failed, or was handed on. All of it pure.

`compose.py` makes reports (RFC 3464); `wanted.py` says whether one is wanted (RFC 3461). Whom a report goes to and
when is queue/'s; how it gets there is intake/'s. May import mime/ and mail/.
"""
