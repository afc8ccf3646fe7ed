"""A peer's connection as octets with deadlines: backpressure both ways, STARTTLS, limits on how many there are.

Knows no protocol: IMAP, POP3 and ManageSieve speak over it. It never keeps more than a few hundred KiB for one peer,
and it never lets octets from before a TLS handshake be read after it. It imports nothing of ours.
"""
