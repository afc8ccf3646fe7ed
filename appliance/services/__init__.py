"""Which components share a process, and how processes start, tell that they are ready, and end.

`mail.py`, `web.py` and `leds.py` wire one process each; `supervisor.py` runs all three on a desk, where there is no
systemd. Nothing imports this room but `cli/`.
"""
