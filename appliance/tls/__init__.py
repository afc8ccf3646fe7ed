"""Certificates and the TLS contexts made of them. Knows keys/tls in the data folder; imports mail/ only."""
