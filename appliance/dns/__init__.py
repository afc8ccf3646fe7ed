"""Asking the domain name system: one resolver for the whole appliance, with answers as values.

`questions.py` and `answers.py` are pure; `resolver.py` asks, through dnspython, and `cache.py` remembers. Time-outs,
caching and tests have one place here. This room decides nothing about mail and imports nothing of ours.
"""
