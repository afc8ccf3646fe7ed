"""The first set-up in a browser: one question a page, back and forth without loss, each answer checked.

What the answers lead to is `appliance.setup`'s; this room asks, checks and remembers until all are given.
"""
