"""Dialogues as text files: several connections, what is sent, what must come and what must not. See `script.py`."""
