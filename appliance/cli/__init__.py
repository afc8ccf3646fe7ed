"""The `merpati` command: parses arguments, prints, decides nothing. One module per group of commands."""

from .root import main

__all__ = ["main"]
