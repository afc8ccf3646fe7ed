"""The way in: inspect, route, file – ONE change for the store – and the reply.

Whoever brings a message (smtp/, the queue's reports, the web) comes through `Intake`; nothing else accepts mail. It
may import route/, transport/sign.py, accounts/, store/, status/, mime/ and mail/.
"""
