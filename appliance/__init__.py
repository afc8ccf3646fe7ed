"""Merpati: a mail server for the Raspberry Pi. `docs/architecture.md` is the map of the rooms below."""

__version__ = "0.1.0"
