"""Is everything well, and if not, what should the owner do? One module for each topic, shared by all who ask.

A check looks and changes nothing. This room may import setup/, accounts/, tls/, store/, config/ and mail/.
"""
