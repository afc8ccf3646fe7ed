"""The values that cross rooms: address, envelope, content, reply, reason.

This room holds frozen values and pure functions only; it never opens a socket, a file or a database, and it
imports nothing of ours. Every other room may import it.
"""
